#include "drain.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "health.hpp"
#include "printable.hpp"
#include "querymark/support/error.hpp"
#include "secrets.hpp"
#include "times.hpp"
#include "watch_metrics.hpp"

namespace querymark::cli {
namespace {

LogEndpoint open_log(const DrainSettings& settings) {
  static_cast<void>(
      backend_of_target(settings.target));  // throws for wrong usage, before any server is asked
  return backend_of_log(settings.db).open_log(settings.db, settings.namespace_name);
}

std::unique_ptr<Applier> open_target(const DrainSettings& settings, const LogEndpoint& log,
                                     const LogLines& lines) {
  const TargetSettings wanted{.url = settings.target,
                              .namespace_name = settings.namespace_name,
                              .feed_keys = settings.feed_keys ? settings.feed_keys->keys : nullptr,
                              .lines = lines.with({{"namespace", settings.namespace_name}})};
  std::unique_ptr<Applier> target = backend_of_target(settings.target).open_target(wanted, log);
  if (Relay* const relay = target->relay())
    relay->on_ask([bell = log.doorbell.get()] { bell->interrupt(); });
  return target;
}

void tell_round(const LogLines& lines, const WorkerRound& round, std::string_view error) {
  if (round.down)
    lines.warn("the target takes nothing, will try again",
               {{"retried", round.retried}, {"error", error}});
  else if (round.died > 0)
    lines.warn("gave up invalidations that the target does not take",
               {{"died", round.died}, {"error", error}});
  else if (round.left > 0)
    lines.warn("the target did not take some invalidations, will try them again",
               {{"left", round.left}, {"error", error}});
  else if (!error.empty())
    lines.warn("round failed, will try again", {{"retried", round.retried}, {"error", error}});
  else if (round.fenced)
    lines.warn("lost the lease in the middle of a segment; its new owner applies it");
  else if (round.flushed)
    lines.info("flushed the namespace on the target, which is new or has missed rows");
  if (round.applied > 0 || round.recovered > 0 || round.malformed > 0)
    lines.info("applied", {{"claimed", round.claimed},
                           {"applied", round.applied},
                           {"malformed", round.malformed},
                           {"recovered", round.recovered}});
}

void tell_pruned(const LogLines& lines, const PruneRound& round, std::string_view error) {
  if (!error.empty())
    lines.warn("pruning failed, will try again", {{"error", error}});
  else if (round.plan.over_bound)
    lines.warn("the log has more rows than it may: pruned past whoever has yet to read them",
               {{"removed", round.removed}});
  else if (round.removed > 0)
    lines.info("pruned", {{"removed", round.removed}});
}

std::string whole(std::chrono::nanoseconds span) {
  return about(std::chrono::duration_cast<std::chrono::milliseconds>(span));
}

// Whatever ends the work, others need not wait for the lease.
struct ReleaseAtEnd {
  Worker& worker;
  ~ReleaseAtEnd() { worker.release(); }
};

}  // namespace

Drain::Drain(DrainSettings settings, const LogLines& lines, Watched watched)
    : settings_(std::move(settings)),
      watched_(watched),
      log_(open_log(settings_)),
      target_(open_target(settings_, log_, lines)),
      lines_(lines.with({{"namespace", settings_.namespace_name}, {"target", target_->name()}})),
      worker_({*log_.reader, *log_.claims, *log_.deliveries, log_.doorbell.get()}, *target_,
              worker_options()) {
  if (settings_.prune)
    pruner_ = std::make_unique<Pruner>(*log_.pruning, *log_.subscribers, pruner_options());
}

Drain::~Drain() {
  request_stop();
  if (!working_.joinable()) return;
  working_.join();
  if (pruning_.joinable()) pruning_.join();
  tell_end();
}

WorkerOptions Drain::worker_options() const {
  WorkerOptions options = settings_.worker_options();
  options.on_round = [this](const WorkerRound& round, std::string_view error) {
    tell_round(lines_, round, error);
  };
  return options;
}

PrunerOptions Drain::pruner_options() const {
  PrunerOptions options = settings_.pruner_options();
  options.on_round = [this](const PruneRound& round, std::string_view error) {
    tell_pruned(lines_, round, error);
  };
  return options;
}

void Drain::start() {
  tell_start();
  working_ = std::jthread([this](const std::stop_token& stop) { worker_.run(stop); });
  if (watched_ == Watched::yes)
    watch_ = std::make_unique<LogWatch>(log_, settings_.namespace_name, *target_);
  if (pruner_) pruning_ = std::jthread([this](const std::stop_token& stop) { pruner_->run(stop); });
}

void Drain::request_stop() {
  working_.request_stop();
  pruning_.request_stop();
  if (log_.end_soon) log_.end_soon();
  if (watch_) watch_->request_stop();
}

MetricLabels Drain::labels() const {
  return {{"namespace", settings_.namespace_name}, {"target", watch_->seen().target}};
}

std::string Drain::database() const { return without_secrets(settings_.db); }

void Drain::add_metrics(Metrics& metrics, const MetricLabels& labels) const {
  const LogWatch::Seen seen = watch_->seen();
  metrics.add(worker_.stats(), labels);
  if (const Relay* const relay = target_->relay()) metrics.add(relay->stats(), labels);
  metrics.add(WatchStats(seen), labels);
  if (seen.report) metrics.add(*seen.report, labels);
}

std::string Drain::illness() const {
  const LogWatch::Seen seen = watch_->seen();
  const std::string of =
      fmt::format("the target {} of the namespace {}: ", seen.target, settings_.namespace_name);
  if (const auto silent = worker_.silent_for(); silent > settings_.lease)
    return printable(of + fmt::format("its worker has not come on for {}", whole(silent)));
  if (!seen.at && seen.error.empty()) return printable(of + "the log was not looked at yet");
  if (!seen.answers()) {
    const std::string since =
        seen.at ? fmt::format(" for {}", whole(system_clock().now() - *seen.at)) : std::string();
    return printable(of + "the log has not answered" + since + ": " + without_secrets(seen.error));
  }
  if (!seen.report) return {};  // it has yet to enter
  for (const Finding& finding : findings_of(*seen.report))
    if (finding.severity == Finding::Severity::error) return printable(finding.what);
  return {};
}

ExitCode Drain::once(const std::stop_token& stop) {
  tell_start();
  ExitCode code = kSuccess;
  {
    const ReleaseAtEnd release{worker_};
    const std::stop_callback ends(stop, [this] {
      if (log_.end_soon) log_.end_soon();
    });
    code = drain(stop);
  }
  tell_end();
  return code;
}

// A standby drains nothing: the lease is another's.
ExitCode Drain::drain(const std::stop_token& stop) {
  for (;;) {
    const WorkerRound round = worker_.run_once();
    if (round.standby) {
      lines_.warn("another worker holds the lease; what is left was not drained");
      return kDegraded;
    }
    if (round.down) throw Error("the target failed; what is left stays in the log");
    if (round.idle()) {
      if (round.next_due)
        lines_.warn("invalidations that the target did not take wait to be tried again",
                    {{"next_due_ms", static_cast<std::uint64_t>(round.next_due->count())}});
      return kSuccess;
    }
    if (stop.stop_requested()) {
      lines_.warn("stopped by a signal; what is left stays in the log");
      return kFailure;
    }
  }
}

void Drain::tell_start() const {
  lines_.info("worker started", {{"owner", worker_.owner()}});
  // A worker of the wrong namespace would wait for ever, and look healthy.
  const std::vector<std::string>& used = log_.namespaces;
  if (used.empty() || std::ranges::find(used, settings_.namespace_name) != used.end()) return;
  lines_.with({}).warn("the log's newest rows are of other namespaces only: is --namespace right?",
                       {{"namespace", settings_.namespace_name},
                        {"used", fmt::format("{}", fmt::join(used, ", "))}});
}

void Drain::tell_end() const {
  const WorkerCounts totals = worker_.stats();
  lines_.info("worker stopped", {{"claimed", totals.claimed},
                                 {"applied", totals.applied},
                                 {"retried", totals.retried},
                                 {"malformed", totals.malformed},
                                 {"left", totals.left},
                                 {"recovered", totals.recovered},
                                 {"died", totals.died}});
}

}  // namespace querymark::cli
