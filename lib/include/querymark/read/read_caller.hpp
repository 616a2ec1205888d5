#pragma once

#include <cstdint>

// For users whose loaders read on threads of their own, and for writers of drivers.

namespace querymark {

/// Names a caller: a read from outside any load, together with all reads that its loads make in
/// turn, on whichever threads. Never used again. Zero is nobody.
enum class CallerId : std::uint64_t {};

/// Who reads, as flights tell callers apart.
struct ReadCaller {
  CallerId id{};
  /// Reads inside a load that others may wait for, and so must wait for nobody.
  bool leads = false;
  /// Has a permit for its loads.
  bool permitted = false;

  /// The caller whose load runs on this thread (see LeadingScope), else a new one. Thread-safe;
  /// does not block.
  [[nodiscard]] static ReadCaller here() noexcept;
};

/// While it lives, its thread runs a load that others may wait for, so reads inside that load wait
/// for nobody else's: loads that ask for each other's keys, in however long a circle, would never
/// end. Nests; ends on the thread where it began.
///
/// The blocking driver makes one around each load. A loader that reads on other threads and waits
/// for them asks `ReadCaller::here()` for its id and makes one on each:
///
///     [caller = qm::ReadCaller::here().id] { const qm::LeadingScope leading(caller); ... }
class LeadingScope {
 public:
  explicit LeadingScope(CallerId caller) noexcept;
  LeadingScope(const LeadingScope&) = delete;
  LeadingScope& operator=(const LeadingScope&) = delete;
  ~LeadingScope();
  /// True inside such a load, of any key of any database.
  [[nodiscard]] static bool active() noexcept;

 private:
  CallerId outer_;
};

}  // namespace querymark
