#pragma once

#include <exception>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "querymark/read/flight.hpp"
#include "querymark/read/lease_turn.hpp"
#include "querymark/read/read_caller.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/read/source.hpp"
#include "querymark/read/step_times.hpp"
#include "querymark/support/distinct.hpp"

// For writers of drivers.

namespace querymark {

/// The read path of one miss as a state machine without I/O, threads or time to wait: a driver asks
/// what to do next, does it, and tells the machine what came of it.
///
///     start() -> Analyse      the database, for which tags the query has: resume_analysed()
///             -> Reach        the log, for a read that must be fresher, or whose value others
///                             shall find: resume_reached(bool)
///             -> Refresh      no one: has the request loaded anew in the background, if possible:
///                             resume_refreshing()
///             -> HandOver     no one: has somebody in the background do what this one leads, if
///                             possible: resume_handed_over(bool)
///             -> Await        another's load: resume(FlightResult), or give_up()
///             -> PollTier     one shared tier: resume(optional<SharedValue>, refills)
///             -> Prove        the log, about a tier's value: resume_proved(bool)
///             -> Lease        a tier, for the right to load what all processes lack:
///                             resume_leased(LeaseAnswer)
///             -> Pause        no one: resume_paused() after that long; or give_up()
///             -> Load         the database: resume(Loaded), or fail(error); perhaps once more
///             -> StoreShared  one shared tier: resume_stored(). After a load each one, after a
///                             hit those above the one that had the value, and those which that
///                             one named
///             -> Release      the tier that granted a lease: resume_released()
///             -> Done         with a value, or with the error that the caller shall see
///
/// No step throws or blocks. A machine that is destroyed before Done leaves in good order: its lead
/// goes to a waiter, its place in a queue is given up. Not thread-safe, but not bound to a thread
/// either: steps may run on any, one after the other. One machine serves one call; source and
/// request outlive it.
///
/// A SingleRead does these actions for one machine, ManyReads for several together, and drivers are loops
/// over those. Whoever does them otherwise keeps the machine, the request and a FlightWaker together for as
/// long as the call runs, and goes on whenever one of them comes to something:
///
/// - Await: `waiter->take(&waker)`. A result is resumed with at once. Nothing: start a timer for
///   the caller's deadline and return to the loop. `wake()` posts the next `take` (posts, never
///   runs it: it is called under the flight's lock), to the call's own strand where several threads
///   run the loop: it may come before the `take` that left it behind has returned. When the timer
///   fires first, `take(nullptr)` is the last look, and where that finds nothing, give_up().
/// - Load: send the query, and resume when its rows are there. What the load reads in turn gets
///   `caller()` as its caller, by argument where a coroutine hops between threads, by a
///   LeadingScope where it runs on one.
/// - Reach: blocks for a look at the log, so a thread pool runs it, as it does the next two, and Analyse.
/// - PollTier: its judge goes with the read, and is the machine itself, which meanwhile stands still.
/// - PollTier, StoreShared: tiers block for as long as their own deadline; a thread pool runs them,
///   and Prove, which reads the log. A proof that throws is resumed with false.
/// - Cancellation: stop the timer and whatever was sent, then destroy the machine. After that the
///   waker is not called any more; what it had posted must find out that the call has gone.
///
/// Deadlines are the driver's: the machine knows none.
class ReadMachine final : private TierJudge {
 public:
  struct Analyse {};
  struct Reach {
    const Consistency* wanted;
    Subscriber* subscriber;
  };
  struct Refresh {};
  struct HandOver {
    std::optional<FlightLeader>* leader;  ///< The machine's, until it is resumed.
  };
  struct Await {
    FlightWaiter* waiter;  ///< The machine's, until it is told the result.
    /// Besides the caller's own deadline: give_up() after so long. Zero: no other.
    TimeSpan longest{};
  };
  struct PollTier {
    SharedTier* tier;
    Digest name;
    TierJudge* judge;  ///< The machine's, until it is resumed.
  };
  struct Prove {
    StampProof* proof;
    SharedStamp stamp;
  };
  struct Load {
    EntryInit init;
  };
  struct StoreShared {
    SharedTier* tier;
    Digest name;
    const SharedValue* value;  ///< The machine's, until `resume_stored`.
  };
  struct Lease {
    SharedTier* tier;
    Digest name;
    std::string_view token;  ///< The machine's, as long as it lives.
    std::chrono::milliseconds longest;
  };
  struct Pause {
    std::chrono::nanoseconds length;
  };
  struct Release {
    SharedTier* tier;
    Digest name;
    std::string_view token;  ///< The machine's, as long as it lives.
  };
  struct Done {};
  using Action = std::variant<Analyse, Reach, Refresh, HandOver, Await, PollTier, Prove, Lease,
                              Pause, Load, StoreShared, Release, Done>;

  ReadMachine(Source& source, ReadRequest& request,
              ReadCaller caller = ReadCaller::here()) noexcept;
  ReadMachine(const ReadMachine&) = delete;
  ReadMachine& operator=(const ReadMachine&) = delete;
  ~ReadMachine() = default;

  /// Ends with ConfigError when the caller declares more targets than an entry can carry.
  [[nodiscard]] Action start() noexcept;
  /// The same for who loads in the background what callers wait for.
  [[nodiscard]] Action start(FlightLeader leader) noexcept;
  /// In its place, for who has had no turn to load: ends with that error, unless an old value is better.
  [[nodiscard]] Action start_refused(std::exception_ptr error) noexcept;
  /// `error`: the database could not be asked.
  [[nodiscard]] Action resume_analysed(std::exception_ptr error = nullptr) noexcept;
  [[nodiscard]] Action resume_reached(bool reached) noexcept;
  [[nodiscard]] Action resume_refreshing() noexcept;
  [[nodiscard]] Action resume_handed_over(bool handed_over) noexcept;
  [[nodiscard]] Action resume(FlightResult result) noexcept;
  /// `refills`: whom the tier wants to have a copy.
  [[nodiscard]] Action resume(std::optional<SharedValue> value,
                              std::vector<TierRefill> refills = {}) noexcept;
  [[nodiscard]] Action resume_proved(bool proved) noexcept;
  [[nodiscard]] Action resume(Loaded loaded) noexcept;
  [[nodiscard]] Action resume_stored() noexcept;
  [[nodiscard]] Action resume_leased(LeaseAnswer answer) noexcept;
  [[nodiscard]] Action resume_paused() noexcept;
  [[nodiscard]] Action resume_released() noexcept;
  /// The load failed. All who share it get the same error.
  [[nodiscard]] Action fail(std::exception_ptr error) noexcept;
  /// The load failed, together with others, for a reason that may be one of those: the lead goes to a
  /// waiter.
  [[nodiscard]] Action fail_alone(std::exception_ptr error) noexcept;
  /// The caller waits no longer. Ends with Timeout, unless an old value or a longer wait is better.
  [[nodiscard]] Action give_up() noexcept;

  /// Whether others may wait for what the driver does next.
  [[nodiscard]] bool leads() const noexcept { return leader_.has_value(); }
  /// Who reads: what a read inside the load is to be told, with `leads()` or the same outside.
  [[nodiscard]] ReadCaller caller() const noexcept {
    return {caller_.id, caller_.leads || leads(), caller_.permitted};
  }
  /// Requires Done. Whether that is an error.
  [[nodiscard]] bool failed() const noexcept { return error_ != nullptr; }
  /// Requires Done, once: it gives the value away, or throws the error that it holds. (What it kept of an error would
  /// be dropped by whatever thread destroys it, while the caller looks at it.)
  [[nodiscard]] ReadResult take_result();
  /// The same for who does not throw it. Null: there is a value.
  [[nodiscard]] std::exception_ptr take_error() noexcept { return std::exchange(error_, nullptr); }

 private:
  // What the marks and the clocks say of a shared value.
  struct Judged {
    enum class As : std::uint8_t { old, stale, unproved, fresh } as = As::old;
    std::chrono::nanoseconds age{};
    std::chrono::nanoseconds left{};  // to live
    std::uint64_t generation = 0;
    Distinct<TargetId> targets{};  // what its entry carries
  };

  template <class Step>
  [[nodiscard]] Action guarded(Step&& step) noexcept;
  void time(const Action& next) noexcept;
  [[nodiscard]] Action begin();
  void look_for_bypass();
  [[nodiscard]] Action analysed();
  [[nodiscard]] Action reach();
  [[nodiscard]] Action look();
  void declare_targets();
  void require_tags();
  [[nodiscard]] bool takes(const SharedValue& value) noexcept override;
  [[nodiscard]] Judged judged(const SharedValue& value, bool proved) const;
  [[nodiscard]] std::optional<std::chrono::nanoseconds> lifetime(const ResultSet& rows) const;
  [[nodiscard]] bool add_implied(const ResultSet& rows, Distinct<TargetId>& targets) const;
  [[nodiscard]] Action enter();
  [[nodiscard]] Action take_over(FlightLeader leader);
  [[nodiscard]] Action lead(FlightLeader leader);
  [[nodiscard]] Action joined(EntryRef entry);
  [[nodiscard]] Action polled(std::optional<SharedValue> value, bool proved);
  [[nodiscard]] Action refuse_shared(const SharedStamp& stamp);
  [[nodiscard]] bool needs_proof(const SharedStamp& stamp) const noexcept;
  [[nodiscard]] Action loaded(Loaded loaded);
  [[nodiscard]] Action poll_next_tier();
  [[nodiscard]] Action poll_tier(std::size_t number);
  [[nodiscard]] bool asks_for_lease();
  [[nodiscard]] Action load();
  void note_failure(const std::exception_ptr& error) noexcept;
  [[nodiscard]] Action fail_all(std::exception_ptr error) noexcept;
  [[nodiscard]] Action load_alone();
  [[nodiscard]] bool trusted_now() const;
  // Whether to pass by a cache that is not trusted, whatever the source's policy.
  [[nodiscard]] bool demanding() const noexcept {
    return !request_.options.consistency.is_eventual();
  }
  [[nodiscard]] Action share(SharedValue value);
  [[nodiscard]] Action store_next_tier();
  void note_hot(std::span<const Target> implied) noexcept;
  void complete(EntryRef entry, const Outcome& outcome);
  [[nodiscard]] Action finish(EntryRef entry, const Outcome& outcome);
  // What memory has that is better than an error, or than to wait, by the policy.
  void find_old();
  [[nodiscard]] std::optional<Outcome> old_within(std::chrono::nanoseconds stale,
                                                  std::chrono::nanoseconds outdated) noexcept;
  // The same where the database does not answer.
  [[nodiscard]] std::optional<Outcome> old_in_need() noexcept;
  [[nodiscard]] std::optional<Outcome> old_instead_of(const std::exception_ptr& error) noexcept;
  [[nodiscard]] Action finish_old(const Outcome& outcome);
  [[nodiscard]] Action await();
  [[nodiscard]] Action end(std::exception_ptr error) noexcept;
  [[nodiscard]] Action over() noexcept;
  [[nodiscard]] EntryInit init(MonotonicTime loaded, MonotonicTime expires,
                               std::uint64_t generation) const;
  // Whether what a replica gave includes all that is known of its targets.
  [[nodiscard]] bool is_covered(const Loaded& loaded) const;
  [[nodiscard]] Stored keep(const EntryRef& entry, const Loaded& loaded);
  [[nodiscard]] Digest shared_name();
  [[nodiscard]] const KeyView& key() const noexcept { return request_.call.view; }
  [[nodiscard]] const ReadPolicy& policy() const noexcept { return request_.options.policy; }

  Source& source_;
  CacheCore& cache_;
  QueryRecord& record_;
  StepTimes times_;
  ReadRequest& request_;
  ReadCaller caller_;
  std::chrono::nanoseconds ttl_;
  std::vector<Target> targets_;
  std::vector<TargetId> required_;  // the caller's own and the key's
  // What the entry will carry: `required_` and what others declared.
  Distinct<TargetId> target_ids_;
  MonotonicTime expires_limit_ = MonotonicTime::max();
  MonotonicTime began_;
  Stamp stamp_;
  EntryRef old_;  // what may be served although it is not fresh
  std::optional<FlightLeader> leader_;
  std::optional<FlightWaiter> waiter_;
  std::optional<Digest> name_;
  std::optional<SharedValue> to_prove_;
  std::optional<SharedValue> to_share_;
  WallTime share_until_{};              // when `to_share_` expires where nobody wants it sooner
  std::size_t tier_ = 0;                // the next to be asked
  SharedTier* asked_ = nullptr;         // last
  std::vector<TierRefill> refills_;     // that it wants
  std::vector<TierRefill> share_with_;  // who are offered `to_share_`
  std::size_t shared_ = 0;              // so many of them have been
  LeaseTurn lease_;
  unsigned joins_ = 0;
  bool waits_softly_ = false;  // and is served an old value then
  bool waited_softly_ = false;
  bool handed_over_ = false;
  bool replica_refused_ = false;
  bool followed_ = false;         // the log was looked at for own writes that are ahead of it
  std::optional<Stored> bypass_;  // why the cache is passed by, if it is
  ReadResult result_;
  std::exception_ptr error_;
};

}  // namespace querymark
