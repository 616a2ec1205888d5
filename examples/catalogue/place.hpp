#pragma once

#include <memory>
#include <string>

#include "scratch_folder.hpp"

namespace catalogue {

/// Where the demo's database lives. The end of a place removes what the demo has put there, unless
/// it is to be kept; nothing may be connected to it then.
class Place {
 public:
  virtual ~Place() = default;
  /// As backend_of takes it; may hold a password.
  [[nodiscard]] virtual const std::string& url() const = 0;
  /// For people: holds no password.
  [[nodiscard]] virtual std::string label() const = 0;
};

struct PlaceOptions {
  std::string server;           ///< `postgresql://…`; empty: none is given.
  bool private_server = false;  ///< Start a PostgreSQL server for the demo alone.
  bool tracked = false;         ///< Its tables will be: that leaves more to be removed.
  bool keep = false;
};

/// A SQLite file in `folder` unless the options ask for PostgreSQL. Says on standard error what it
/// will create outside of `folder`. Throws std::exception with a text that names the remedy.
[[nodiscard]] std::unique_ptr<Place> make_place(const PlaceOptions& options,
                                                const ScratchFolder& folder);

}  // namespace catalogue
