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
/// of these have really changed. Holds the answers that it found, so that none can be mistaken for a
/// later one.
class Census {
 public:
  /// Asks every question about every sample, and notes what memory then has. Blocks for what it
  /// hasn't. `service` must outlive it.
  Census(const Service& service, const std::vector<Sample>& samples);
  Census(const Census&) = delete;
  Census& operator=(const Census&) = delete;
  ~Census();

  /// Asks again, once the write is known here.
  [[nodiscard]] Precisions take() const;

 private:
  class Answers;
  template <class Ask>
  class AnswersTo;
  template <class Ask>
  void add(const char* question, std::vector<std::string> about, Ask ask);

  std::map<std::string, std::unique_ptr<Answers>> all_;
};

}  // namespace catalogue
