#include "querymark/observe/read_stats.hpp"

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>

// Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", 1934. That a
// hit was excused says nothing about it, so it is no part of what was tried.

namespace querymark {
namespace {

constexpr double kConfidence = 0.95;

}  // namespace

double ReadStats::audit_bound() const noexcept {
  const auto wrong = static_cast<double>(audits_wrong);
  const auto agreed = static_cast<double>(audits_agreed);
  if (agreed == 0) return 1;
  if (wrong == 0) return -std::expm1(std::log1p(-kConfidence) / agreed);
  namespace policies = boost::math::policies;
  using Quiet = policies::policy<policies::domain_error<policies::ignore_error>,
                                 policies::overflow_error<policies::ignore_error>,
                                 policies::evaluation_error<policies::ignore_error>,
                                 policies::promote_double<false>>;
  const double bound = boost::math::ibeta_inv(wrong + 1, agreed, kConfidence, Quiet());
  return bound >= 0 && bound <= 1 ? bound : 1;
}

std::uint64_t ReadStats::audit_nines() const noexcept {
  return static_cast<std::uint64_t>(std::max(0.0, std::floor(-std::log10(audit_bound()))));
}

}  // namespace querymark
