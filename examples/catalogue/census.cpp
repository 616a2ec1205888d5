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

template <class Ask, class Directly>
class Census::AnswersTo final : public Answers {
 public:
  AnswersTo(std::vector<std::string> about, Ask ask, Directly directly)
      : ask_(std::move(ask)), directly_(std::move(directly)) {
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
      if (same_object(before, now)) {
        if (!std::ranges::equal(now, directly_(what))) ++precision.stale;
        continue;
      }
      ++precision.invalidated;
      if (!std::ranges::equal(before, now)) ++precision.needed;
    }
  }

 private:
  using Rows = std::invoke_result_t<Ask&, const std::string&>;
  Ask ask_;
  Directly directly_;
  std::vector<std::pair<std::string, Rows>> held_;
};

template <class Ask, class Directly>
void Census::add(const char* question, std::vector<std::string> about, Ask ask, Directly directly) {
  all_[question] = std::make_unique<AnswersTo<Ask, Directly>>(std::move(about), std::move(ask),
                                                              std::move(directly));
}

Census::Census(const Service& service, Direct& direct, const std::vector<Sample>& samples) {
  using Text = const std::string&;
  const auto names = distinct(samples, &Sample::name);
  add(
      "a package by its name", names, [&service](Text name) { return service.package(name); },
      [&direct](Text name) { return direct.package(name); });
  add(
      "all that a package pulls in", names, [&service](Text name) { return service.reach(name); },
      [&direct](Text name) { return direct.reach(name); });
  add(
      "largest packages of a section", distinct(samples, &Sample::section),
      [&service](Text section) { return service.largest(section); },
      [&direct](Text section) { return direct.largest(section); });
  add(
      "who needs a package", distinct(samples, &Sample::dependency),
      [&service](Text name) { return service.needed_by(name); },
      [&direct](Text name) { return direct.needed_by(name); });
  add(
      "totals of the catalogue", {""}, [&service](Text) { return service.totals(); },
      [&direct](Text) { return direct.totals(); });
}

Census::~Census() = default;

Precisions Census::take() const {
  Precisions precisions;
  for (const auto& [question, answers] : all_) answers->count(precisions[question]);
  return precisions;
}

}  // namespace catalogue
