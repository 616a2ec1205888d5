#include "property/worker_world.hpp"

namespace querymark::test {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

void WorkerWorld::open(std::unique_ptr<WorkerProcess>& process, Namespace& in, ModelTier& tier) {
  constexpr std::array kLeases{30ms, 300ms, 5000ms};
  constexpr std::array<unsigned, 5> kAttempts{0, 1, 2, 3, 4};
  WorkerOptions options;
  options.lease = kLeases[choices_.below(kLeases.size())];
  // Pauses that do not hang on chance: longer ones are drawn by the world.
  options.retry = {.start = 1ms,
                   .factor = 1.0,
                   .cap = 1ms,
                   .max_attempts = kAttempts[choices_.below(kAttempts.size())]};
  if (choices_.one_in(4)) options.retry.deadline_margin = 100ms;
  options.largest_ttl = choices_.one_in(4) ? 500ms : 5000ms;
  options.on_death = on_death_;
  options.page_size = choices_.one_in(4) ? 5000 : 1 + choices_.below(4);
  options.clock = &clock_;
  process = std::make_unique<WorkerProcess>(*in.checked, in.ports.reader, tier, *this,
                                            tally_.wrongs, options);
}

bool WorkerWorld::passes(WorkerProcess& process) {
  if (calm_) return true;
  clock_.advance(milliseconds(choices_.below(3)));
  if (depth_ < 3 && choices_.one_in(8)) {
    ++depth_;
    // It may be stopped for longer than its lease.
    const bool stops = stops_ && choices_.one_in(6);
    tally_.stops += stops ? 1 : 0;
    if (stops) clock_.advance(process.options.lease);
    for (std::size_t i = choices_.below(stops ? 30 : 4); i > 0; --i) step();
    --depth_;
  }
  if (dies_ && choices_.one_in(60)) process.dead = true;
  const bool lost = loses_answers_ && choices_.one_in(40);
  tally_.unreached += lost ? 1 : 0;
  return !lost;
}

void WorkerWorld::step() {
  clock_.advance(milliseconds(choices_.below(10)));
  Namespace& in = *namespaces_[choices_.below(namespaces_.size())];
  const std::size_t what = choices_.below(48);
  if (what < 8) {
    write(in);
  } else if (what < 34) {
    round(in, in.processes[choices_.below(in.processes.size())]);
  } else if (what < 38) {
    change_tiers();
  } else if (what == 38) {
    if (operates_) decide(in);
  } else if (what < 41) {
    if (prunes_) prune(in);
  } else if (what < 43) {
    in.follower->look(choices_);
  } else if (what == 43) {
    if (leaps_)
      clock_.skew_wall(milliseconds(choices_.below(choices_.one_in(3) ? 100'000 : 1000)) *
                       (choices_.one_in(2) ? 1 : -1));
  } else if (what == 44) {
    if (loses_history_ && choices_.one_in(6)) lose_history();
  } else if (what == 45) {
    clock_.advance(milliseconds(choices_.below(800)));
  } else {
    // One ends as it should, and comes again, with other options.
    auto& process = in.processes[choices_.below(in.processes.size())];
    if (process->runs || choices_.one_in(2)) return;
    process->log.release(process->shared.name, process->worker->owner());
    open(process, in, process->shared);
  }
}

Target WorkerWorld::some_target() {
  const std::size_t number = choices_.below(most_);
  switch (number % 4) {
    case 0:
      return key_named(std::to_string(number));
    case 1:
      return entity("product", number);
    case 2:
      // The same target, otherwise said.
      return choices_.one_in(2) ? tag("list", number) : collection("list", number);
    default:
      return tag(std::to_string(number));
  }
}

void WorkerWorld::write(Namespace& in) {
  std::vector<std::optional<Target>> rows;
  const auto same = [](const auto& a) { return [&a](const auto& b) { return a == b; }; };
  for (std::size_t i = 1 + choices_.below(choices_.one_in(8) ? 12 : 3); i > 0; --i) {
    std::optional<Target> row = some_target();
    if (choices_.one_in(25)) row = flush_all();
    if (std::ranges::none_of(rows, same(row))) rows.push_back(std::move(row));
  }
  if (choices_.one_in(20)) rows = {std::nullopt};
  const std::vector<Position> positions = in.log.write(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) in.intents.add(positions[i], rows[i]);
  in.checked->refresh();
}

void WorkerWorld::round(Namespace& in, std::unique_ptr<WorkerProcess>& process) {
  if (process->runs) return;
  process->runs = true;
  process->notes = {};
  try {
    const WorkerRound done = process->worker->run_once();
    ++tally_.rounds;
    tally_.applied += done.applied;
    tally_.outages += done.down ? 1 : 0;
    if (done.down) process->open_until = process->failed_at + 1ms;
    tally_.flushes += done.flushed ? 1 : 0;
    tally_.careful += process->notes.claim && process->notes.claim->attempts > 1 ? 1 : 0;
    check_round(in, *process, done);
  } catch (const Died&) {
    process->dead = true;
  } catch (const Error& error) {
    tally_.wrongs.require(error.connection_lost(), error.what());
  }
  process->runs = false;
  if (!process->dead) return;
  ++tally_.deaths;
  open(process, in, process->shared);
}

void WorkerWorld::check_round(Namespace& in, const WorkerProcess& process,
                              const WorkerRound& round) {
  tally_.wrongs.require(round.applied <= round.claimed, "more is applied than was claimed");
  if (!process.notes.claim || round.fenced) return;
  const Claim& claim = *process.notes.claim;
  if (round.down) {
    tally_.wrongs.require(
        !in.checked->holds(claim) || in.checked->attempts(claim.consumer) < claim.attempts,
        "an outage counts as an attempt at the segment");
    return;
  }
  tally_.wrongs.require(process.worker->stats().down == 0ns, "all is taken, and the breaker open");
  if (!in.checked->holds(claim)) return;
  // What is not taken keeps nothing back.
  const auto& cursor = in.checked->seen().consumers.at(claim.consumer).cursor;
  tally_.wrongs.require(
      cursor && cursor->epoch == claim.upto.epoch && cursor->snapshot == claim.upto.snapshot,
      "a round that ends well leaves something of its segment");
}

void WorkerWorld::change_tiers() {
  ModelTier& tier = tiers_[choices_.below(kTiers)];
  if (tier.down && choices_.one_in(2)) tier.down = false;
  if (!poisons_) return;
  if (choices_.one_in(3)) tier.bad.clear();
  if (choices_.one_in(3))
    tier.bad[some_target().text()] = static_cast<Bad>(choices_.below(dies_ ? 4 : 2));
  if (outages_ != 0 && choices_.one_in(8)) tier.bad[some_target().text()] = Bad::breaks;
}

void WorkerWorld::decide(Namespace& in) {
  constexpr std::array kDecisions{Decision::cancel, Decision::discard, Decision::retry};
  if (choices_.one_in(2)) {
    in.photograph.clear();
    for (const auto& [id, row] : in.checked->seen().deliveries)
      if (choices_.one_in(2)) in.photograph.push_back({id, row.state});
  }
  tally_.decided += in.checked->decide(in.photograph, kDecisions[choices_.below(3)]).size();
}

void WorkerWorld::prune(Namespace& in) {
  PrunerOptions options{.retention = milliseconds(choices_.one_in(3) ? 0 : choices_.below(3000)),
                        .most_rows = choices_.one_in(6) ? 1 + choices_.below(10) : 0,
                        .chunk = 1 + choices_.below(20),
                        .interval = 100ms,
                        .clock = &clock_};
  // All namespaces of a database share what may be gone.
  for (auto& each : namespaces_) each->checked->may_outrun = options.most_rows > 0;
  tally_.pruned += Pruner(*in.checked, in.ports.subscribers, options).run_once().removed;
}

void WorkerWorld::lose_history() {
  namespaces_[choices_.below(namespaces_.size())]->log.lose_history();
  for (auto& each : namespaces_) {
    const Epoch epoch = each->ports.reader.now().epoch;
    if (std::exchange(each->epoch, epoch) == epoch) continue;
    each->intents.begin_anew();
    ++tally_.histories;
  }
  for (auto& each : namespaces_) each->checked->refresh();
}

std::string WorkerWorld::unrest(Namespace& in) {
  const Cursor end = in.ports.reader.now();
  const ConsumersLook& seen = in.checked->seen();
  for (const ModelTier& tier : tiers_) {
    const auto row = seen.consumers.find(tier.name);
    if (row == seen.consumers.end() || !row->second.cursor) return "a consumer has yet to start";
    if (row->second.cursor->epoch != end.epoch || row->second.cursor->snapshot != end.snapshot)
      return "a consumer is behind";
    if (row->second.flush_owed) return "a flush is owed";
  }
  for (const auto& [id, row] : seen.deliveries)
    if (row.state == DeliveryState::pending || row.state == DeliveryState::claimed)
      return "a delivery waits";
  for (const auto& each : in.processes)
    if (each->worker->stats().down > std::chrono::nanoseconds(0)) return "a breaker is open";
  return {};
}

std::string WorkerWorld::rounds_until_quiet(std::size_t most, milliseconds apart) {
  std::string why = "nothing was tried";
  for (std::size_t i = 0; i < most && !why.empty() && tally_.wrongs.count == 0; ++i) {
    clock_.advance(apart);
    for (ModelTier& tier : tiers_) tier.down = false;
    for (auto& in : namespaces_)
      for (auto& process : in->processes) round(*in, process);
    why.clear();
    for (auto& in : namespaces_)
      if (why.empty()) why = unrest(*in);
  }
  return why;
}

void WorkerWorld::calm_down() {
  calm_ = true;
  if (const auto why = rounds_until_quiet(2000, 600ms); !why.empty())
    tally_.wrongs.require(false, "it does not come to an end with what is bad: " + why);
  // And what is bad is mended: operators have what ended tried once more. Its time may run out before
  // the lease of who is gone.
  for (ModelTier& tier : tiers_) tier.bad.clear();
  for (int i = 0; i < 3; ++i) {
    for (auto& in : namespaces_) {
      std::vector<SeenDelivery> ended;
      for (const auto& [id, row] : in->checked->seen().deliveries) ended.push_back({id, row.state});
      static_cast<void>(in->checked->decide(ended, Decision::retry));
      static_cast<void>(in->checked->decide(ended, Decision::discard));
    }
    if (const auto why = rounds_until_quiet(500, 100ms); !why.empty())
      tally_.wrongs.require(false, "it does not come to an end: " + why);
  }
  clock_.advance(1h);
  for (auto& in : namespaces_) {
    const PrunerOptions all{.retention = 0s, .clock = &clock_};
    static_cast<void>(Pruner(*in->checked, in->ports.subscribers, all).run_once());
    clock_.advance(1s);
    static_cast<void>(Pruner(*in->checked, in->ports.subscribers, all).run_once());
  }
  std::uint64_t rows = 0;
  for (auto& in : namespaces_) {
    rows = std::max(rows, in->ports.pruning.extent().rows);
    for (const auto& [id, row] : in->checked->seen().deliveries)
      tally_.wrongs.require(row.record.epoch != in->epoch, "a delivery stays for ever");
    for (const CommittedIntent& each : in->intents.all())
      tally_.wrongs.require(each.missing == 0, "something was never told");
  }
  tally_.wrongs.require(rows <= 1, "rows stay for ever");
}

}  // namespace querymark::test
