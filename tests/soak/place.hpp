#pragma once

#include <memory>
#include <string>

#include "soak/trouble.hpp"
#include "support/temp_dir.hpp"

namespace querymark::test::soak {

/// The database of a soak: made, with its tables and rows, and what happens to it.
class Place {
 public:
  Place() = default;
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  virtual ~Place() = default;

  /// As agents open it, and as the program's `--db` takes it.
  [[nodiscard]] virtual std::string address() const = 0;
  [[nodiscard]] virtual std::string url() const = 0;
  /// Of a standby, and of a pooling proxy; empty: there is none.
  [[nodiscard]] virtual std::string standby() const { return {}; }
  [[nodiscard]] virtual std::string proxy() const { return {}; }
  [[nodiscard]] virtual Troubles troubles() = 0;
  /// Called all the time: ends what killed processes have left behind that somebody has to end.
  virtual void tend() = 0;
};

[[nodiscard]] std::unique_ptr<Place> sqlite_place(const TempDir& dir);
#ifdef QUERYMARK_SOAK_POSTGRES
[[nodiscard]] std::unique_ptr<Place> postgres_place(bool with_standby, bool with_proxy);
#endif

}  // namespace querymark::test::soak
