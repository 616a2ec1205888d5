#include "plan.hpp"

#include <fmt/format.h>

#include <array>
#include <stdexcept>

#include "stranger_session.hpp"

namespace catalogue {
namespace {

constexpr std::size_t kSamples = 200;

}  // namespace

Plan::Plan(Service& service, Direct& direct, PlanOptions options)
    : service_(service),
      direct_(direct),
      options_(std::move(options)),
      samples_(direct.samples(kSamples)),
      random_(options_.seed) {
  if (samples_.size() < 16) throw std::runtime_error("too few packages to change");
}

Change Plan::next() {
  using Kind = Change::Kind;
  if (++turns_ == options_.forgetful_turn) {
    // What is removed for the moment can't be bumped.
    for (const Sample& sample : samples_)
      if (is_there(sample)) return {Kind::bump_without_intents, sample};
  }
  constexpr std::size_t kMostRemoved = 4;
  if (removed_.size() >= kMostRemoved) return {Kind::publication, removed_.front().first};
  return of_random_package();
}

Change Plan::of_random_package() {
  using Kind = Change::Kind;
  const Sample& sample = samples_[random_() % samples_.size()];
  if (!is_there(sample)) return of_random_package();  // one of the few that are removed
  if (options_.strangers && turns_ % kStrangersTurn == 0) {
    constexpr std::array kKinds{Kind::strange_bump, Kind::strange_growth, Kind::strange_edge,
                                Kind::strange_cut};
    return {kKinds[turns_ / kStrangersTurn % kKinds.size()], sample};
  }
  return {turns_ % 5 == 0 ? Kind::removal : Kind::bump, sample};
}

bool Plan::is_there(const Sample& sample) { return !direct_.package(sample.name).empty(); }

void Plan::make(qm::Transaction& tx, const Change& change) {
  const std::string& name = change.sample.name;
  switch (change.kind) {
    case Change::Kind::bump:
      service_.bump(tx, name, new_version());
      break;
    case Change::Kind::removal:
      removed_.emplace_back(change.sample, service_.remove(tx, name).value());
      break;
    case Change::Kind::publication:
      service_.publish(tx, removed_.front().second);
      removed_.pop_front();
      break;
    case Change::Kind::bump_without_intents:
      // The canary: what must not happen in an application. The receipt is that of another intent,
      // so a wait on it is satisfied, and yet nobody hears of the change.
      bump(tx, name, "9:canary");
      tx.invalidate(qm::tag("canary")).reason("an invalidation dropped on purpose");
      break;
    default:
      break;  // a stranger's, not made in a transaction of the service
  }
}

std::string Plan::sql_of(const Change& change) const {
  const std::string name = sql_literal(change.sample.name);
  const std::string id = "(select id from package where name = " + name + ')';
  const std::string dependency = sql_literal(change.sample.dependency);
  switch (change.kind) {
    case Change::Kind::strange_growth:
      return "update package set size = size + 1, installed_size = installed_size + 1 "
             "where section = " +
             sql_literal(change.sample.section);
    case Change::Kind::strange_edge:
      return fmt::format(
          "insert into dependency (package_id, depends_on, kind) "
          "select id, {}, 'pre-depends' from package where name = {} on conflict do nothing",
          dependency, name);
    case Change::Kind::strange_cut:
      return fmt::format("delete from dependency where package_id = {} and depends_on = {}", id,
                         dependency);
    default:
      return fmt::format("update package set version = '{}' where name = {}", new_version(), name);
  }
}

// One that no package has.
std::string Plan::new_version() const {
  return fmt::format("{}:{}-{}", options_.strangers ? 10 : 9, turns_, options_.mark);
}

}  // namespace catalogue
