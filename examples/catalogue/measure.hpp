#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backend.hpp"

namespace catalogue {

/// Medians for one question, or for all of them.
struct Timing {
  std::string question;
  double direct_us = 0;         ///< A prepared statement, rows mapped to objects.
  double memory_hit_ns = 0;     ///< From batches.
  double file_tier_hit_us = 0;  ///< First reads of a fresh cache on a filled tier.
  [[nodiscard]] double speedup() const {
    return memory_hit_ns > 0 ? direct_us * 1000 / memory_hit_ns : 0;
  }
};

struct Measurement {
  Timing all;
  std::vector<Timing> questions;
};

/// The middle of the values (the upper of two); zero when there are none.
[[nodiscard]] double median(std::vector<double> values);
/// The value below which `share` of them lie; zero when there are none.
[[nodiscard]] double percentile(std::vector<double> values, double share);

/// Times the catalogue's questions asked directly, from memory and from the file tier at `tier`,
/// which it creates. `checkpoint` is called between batches, and ends the measurement by throwing.
[[nodiscard]] Measurement measure(const std::string& database, const std::string& tier,
                                  qm::Tags tags, const std::function<void()>& checkpoint);

}  // namespace catalogue
