#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "direct.hpp"
#include "service.hpp"

namespace catalogue {

/// One write to the catalogue.
struct Change {
  enum class Kind : std::uint8_t {
    bump,
    removal,
    publication,
    bump_without_intents,
    // By a stranger.
    strange_bump,
    strange_growth,  // of all packages of a section
    strange_edge,
    strange_cut,  // of an edge
  };
  Kind kind;
  Sample sample;

  [[nodiscard]] bool touches_only_versions() const {
    return kind == Kind::bump || kind == Kind::bump_without_intents || kind == Kind::strange_bump;
  }
  [[nodiscard]] bool is_strange() const { return kind >= Kind::strange_bump; }
};

struct PlanOptions {
  bool strangers = false;  ///< Some changes are those of a stranger's session.
  unsigned seed = 1;
  std::string mark = "a";  ///< In the versions that it sets: plans of different marks share none.
  std::uint64_t forgetful_turn = 0;  ///< The bump that declares nothing, from 1; 0: none.
};

/// The writes that one instance makes, each a turn: versions are bumped, packages removed and later
/// published again, and what strangers do.
///
/// Not thread-safe.
class Plan {
 public:
  /// With strangers every so many turns are theirs.
  static constexpr std::uint64_t kStrangersTurn = 3;

  /// Both must outlive it. Throws std::runtime_error when there are too few packages.
  Plan(Service& service, Direct& direct, PlanOptions options);

  /// The packages that it changes.
  [[nodiscard]] const std::vector<Sample>& samples() const noexcept { return samples_; }
  [[nodiscard]] std::uint64_t turns() const noexcept { return turns_; }
  /// Begins a turn. What it returns is to be made before the next.
  [[nodiscard]] Change next();
  /// Makes a change that is not a stranger's, and declares what the service declares of it.
  void make(qm::Transaction& tx, const Change& change);
  /// A stranger's: what somebody types who knows the tables, and nothing of a cache.
  [[nodiscard]] std::string sql_of(const Change& change) const;

 private:
  [[nodiscard]] Change of_random_package();
  [[nodiscard]] bool is_there(const Sample& sample);
  [[nodiscard]] std::string new_version() const;

  Service& service_;
  Direct& direct_;
  PlanOptions options_;
  std::vector<Sample> samples_;
  std::deque<std::pair<Sample, Publication>> removed_;  // to be published again
  std::minstd_rand random_;
  std::uint64_t turns_ = 0;
};

}  // namespace catalogue
