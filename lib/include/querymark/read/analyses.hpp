#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "querymark/automatic/advice.hpp"
#include "querymark/automatic/analysis.hpp"
#include "querymark/mark/marks.hpp"
#include "querymark/support/mutex.hpp"

// For nobody outside: what is known of queries' texts.

namespace querymark {

class Subscriber;

/// An analysis, and since when it is known.
struct Analysed {
  Analysis analysis;
  std::uint64_t generation = 0;  ///< Of the marks, from before the database was asked.
  Promises promises{};
  /// Where a replica loads: whether the log has been read since, and so has told of the definitions that these are. A
  /// replica that is behind them depends on other rows.
  bool told = true;

  /// Whether that is so, and no definition has changed since, as far as the marks know.
  [[nodiscard]] bool holds(const Marks& marks) const noexcept;
};

/// Whether what depends on that may be kept, once these parameters are bound. `untracked_ok`: for as long as that at
/// most, although it depends on more than is reported.
[[nodiscard]] bool may_keep(const Analysis& analysis, std::span<const ParameterView> parameters,
                            std::chrono::nanoseconds untracked_ok);
/// Why not, for people; empty where it may be.
[[nodiscard]] std::string why_not_kept(const Analysis& analysis,
                                       std::span<const ParameterView> parameters,
                                       std::chrono::nanoseconds untracked_ok);
/// What speaks against keeping it, whatever age is taken, as a text that lives as long as the process. Empty: nothing.
/// Thread-safe.
[[nodiscard]] std::string_view lasting_why(const Analysis& analysis,
                                           std::span<const ParameterView> parameters);

/// What is known of the texts of one source, in memory. Judged like entries: by the mark of definitions, so
/// that what a change of them has reached is asked for anew. Thread-safe.
class Analyses {
 public:
  /// Beyond so many texts it begins anew: an application has as many as its code has queries.
  static constexpr std::size_t kMost = 10'000;

  explicit Analyses(const Marks& marks) : marks_(marks) {}

  /// What is known of a text in a session under promises, and still holds; null: nothing.
  [[nodiscard]] std::shared_ptr<const Analysed> find(std::string_view session, std::string_view sql,
                                                     const Promises& promises) const;
  /// The same, whether it still holds or not.
  [[nodiscard]] std::shared_ptr<const Analysed> last(std::string_view session, std::string_view sql,
                                                     const Promises& promises) const;
  /// Asks the database, and remembers. Blocks. Throws what the analyser throws. `follow`: who reads the log, where a
  /// replica may load; null: none does.
  [[nodiscard]] std::shared_ptr<const Analysed> ask(std::string_view session, std::string_view sql,
                                                    const Promises& promises, Analyser& analyser,
                                                    Subscriber* follow = nullptr);
  /// The texts that were asked for in a session, with what was promised of them.
  [[nodiscard]] std::vector<SeenQuery> seen(std::string_view session) const;

 private:
  const Marks& marks_;
  mutable Mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const Analysed>> known_
      QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark
