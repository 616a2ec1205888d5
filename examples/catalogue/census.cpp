#include "census.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace catalogue {
namespace {

template <class Rows>
bool same_object(const Rows& before, const Rows& now) {
  if (before.empty() || now.empty()) return before.empty() && now.empty() && now.outcome().is_hit();
  return &*before.begin() == &*now.begin();
}

// Of all samples, each once.
std::vector<std::string> distinct(const std::vector<Sample>& samples, std::string Sample::* field) {
  std::vector<std::string> values;
  for (const Sample& sample : samples) values.push_back(sample.*field);
  std::ranges::sort(values);
  values.erase(std::ranges::unique(values).begin(), values.end());
  return values;
}

}  // namespace

class Census::Answers {
 public:
  virtual ~Answers() = default;
  virtual void count(Precision& precision) const = 0;
};

template <class Ask>
class Census::AnswersTo final : public Answers {
 public:
  AnswersTo(std::vector<std::string> about, Ask ask) : ask_(std::move(ask)) {
    for (std::string& what : about) {
      (void)ask_(what);
      Rows rows = ask_(what);
      if (rows.outcome().is_hit() && rows.outcome().origin == qm::Origin::memory)
        held_.emplace_back(std::move(what), std::move(rows));
    }
  }
  void count(Precision& precision) const override {
    for (const auto& [what, before] : held_) {
      const Rows now = ask_(what);
      ++precision.held;
      if (same_object(before, now)) continue;
      ++precision.invalidated;
      if (!std::ranges::equal(before, now)) ++precision.needed;
    }
  }

 private:
  using Rows = std::invoke_result_t<Ask&, const std::string&>;
  Ask ask_;
  std::vector<std::pair<std::string, Rows>> held_;
};

template <class Ask>
void Census::add(const char* question, std::vector<std::string> about, Ask ask) {
  all_[question] = std::make_unique<AnswersTo<Ask>>(std::move(about), std::move(ask));
}

Census::Census(const Service& service, const std::vector<Sample>& samples) {
  const auto names = distinct(samples, &Sample::name);
  add("a package by its name", names,
      [&service](const std::string& name) { return service.package(name); });
  add("all that a package pulls in", names,
      [&service](const std::string& name) { return service.reach(name); });
  add("largest packages of a section", distinct(samples, &Sample::section),
      [&service](const std::string& section) { return service.largest(section); });
  add("who needs a package", distinct(samples, &Sample::dependency),
      [&service](const std::string& name) { return service.needed_by(name); });
  add("totals of the catalogue", {""}, [&service](const std::string&) { return service.totals(); });
}

Census::~Census() = default;

Precisions Census::take() const {
  Precisions precisions;
  for (const auto& [question, answers] : all_) answers->count(precisions[question]);
  return precisions;
}

}  // namespace catalogue
