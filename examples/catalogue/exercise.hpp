#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "direct.hpp"
#include "peer.hpp"
#include "plan.hpp"
#include "service.hpp"
#include "stranger.hpp"
#include "tally.hpp"

namespace catalogue {

struct ExerciseOptions {
  bool leads = false;  ///< The leader writes first and decides when it is over.
  /// Break what keeps answers fresh: forget the intents of one write, which its readers must then
  /// notice, or with a stranger run `sabotage`, which the audit must then notice.
  bool canary = false;
  std::chrono::seconds duration{10};
  std::uint64_t least_checked_reads = 1200;  ///< Of both instances; goes on until they are reached.
};

/// The session beside an instance whose tables report all writes, and what it can be told to do.
struct Beside {
  Stranger session;
  std::string sabotage;  ///< Backend::sabotage
};

/// Two instances take turns. Whose turn it is writes, the other reads what was written:
///
///   writer                                  reader
///   "about to change NAME"            ->    asks until the old answers are in its memory
///                                     <-    "ready"
///   write() -> receipt                      sees its marks move: the write has arrived
///   (asks itself, every other time)
///   "written", receipt                ->    waits on the receipt, then asks: through the cache and
///                                           past it, each time comparing the two answers
///                                     <-    "checked"; now it is the reader's turn to write
///
/// With automatic tags a writer has a stranger's session do every third write. There is no receipt
/// then: instead of waiting the reader catches up with the log.
///
/// Nobody else writes, so between a cached answer and the direct one to compare it with nothing
/// changes: any difference is a stale read. Meanwhile each instance's visitors (a thread) keep
/// asking for the same packages, so loads are in flight when writes commit.
class Exercise {
 public:
  /// `beside` is null for one whose intents are declared.
  Exercise(Service& service, Direct& direct, Peer& peer, Beside* beside, ExerciseOptions options);

  /// Runs until the leader ends it. Blocks. `progress` gets what this instance has counted so far.
  Tally run(const std::function<void(const Tally&)>& progress);

 private:
  void write_one();
  void read_one(const nlohmann::json& announced);
  struct Commit;
  [[nodiscard]] Commit perform(const Change& change);
  void count(Change::Kind kind);
  [[nodiscard]] bool has_arrived(const nlohmann::json& written);
  void cache_old_answers(const Sample& sample, bool graph);
  [[nodiscard]] std::uint64_t generation();
  [[nodiscard]] std::optional<std::int64_t> see_it_come(std::uint64_t before);
  template <class Visit>
  void each_question(const Sample& sample, bool graph, Visit&& visit);
  [[nodiscard]] bool over() const;

  Service& service_;
  Direct& direct_;
  Peer& peer_;
  Beside* beside_;
  ExerciseOptions options_;
  Plan plan_;
  std::uint64_t peer_checked_ = 0, peer_audits_wrong_ = 0;
  std::chrono::steady_clock::time_point end_;
  Tally tally_;
};

}  // namespace catalogue
