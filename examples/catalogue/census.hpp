#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "direct.hpp"
#include "service.hpp"
#include "tally.hpp"

namespace catalogue {

/// What one write does to all answers that an instance holds: how many it makes stale, and how many
/// of these have really changed; and of those that it leaves, how many it should not have left. Holds the answers that it found, so that none can be mistaken for a
/// later one.
class Census {
 public:
  /// Asks every question about every sample, and notes what memory then has. Blocks for what it
  /// hasn't. `service` and `direct` must outlive it.
  Census(const Service& service, Direct& direct, const std::vector<Sample>& samples);
  Census(const Census&) = delete;
  Census& operator=(const Census&) = delete;
  ~Census();

  /// Asks again, once the write is known here, and the database for what is still the same. Nobody
  /// may write meanwhile.
  [[nodiscard]] Precisions take() const;

 private:
  class Answers;
  template <class Ask, class Directly>
  class AnswersTo;
  template <class Ask, class Directly>
  void add(const char* question, std::vector<std::string> about, Ask ask, Directly directly);

  std::map<std::string, std::unique_ptr<Answers>> all_;
};

}  // namespace catalogue
