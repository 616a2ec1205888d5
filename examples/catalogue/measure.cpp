#include "measure.hpp"

#include <algorithm>
#include <chrono>
#include <span>

#include "direct.hpp"
#include "service.hpp"

namespace catalogue {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kSamples = 100;
constexpr int kDirectRounds = 3;
constexpr int kBatches = 40;
constexpr int kRoundsPerBatch = 10;  // thousands of hits: the clock's own cost vanishes

double microseconds(steady_clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

template <class Call>
double time_us(Call&& call) {
  const auto began = steady_clock::now();
  call();
  return microseconds(steady_clock::now() - began);
}

struct Question {
  const char* name;
  std::function<void(Direct&, const Sample&)> directly;
  // Asks `rounds` times for every sample; the loop is inside, so that a hit is not timed through
  // a std::function.
  std::function<void(Service&, std::span<const Sample>, int rounds)> cached;
  std::function<qm::Outcome(Service&, const Sample&)> outcome;
};

template <class Directly, class Cached>
Question question(const char* name, Directly directly, Cached cached) {
  return {name,
          [directly](Direct& direct, const Sample& sample) { (void)directly(direct, sample); },
          [cached](Service& service, std::span<const Sample> samples, int rounds) {
            for (int i = 0; i < rounds; ++i)
              for (const Sample& sample : samples) (void)cached(service, sample);
          },
          [cached](Service& service, const Sample& sample) {
            return cached(service, sample).outcome();
          }};
}

std::vector<Question> questions() {
  return {
      question(
          "a package by its name", [](Direct& d, const Sample& s) { return d.package(s.name); },
          [](Service& c, const Sample& s) { return c.package(s.name); }),
      question(
          "largest packages of a section",
          [](Direct& d, const Sample& s) { return d.largest(s.section); },
          [](Service& c, const Sample& s) { return c.largest(s.section); }),
      question(
          "who needs a package",
          [](Direct& d, const Sample& s) { return d.needed_by(s.dependency); },
          [](Service& c, const Sample& s) { return c.needed_by(s.dependency); }),
      question(
          "all that a package pulls in", [](Direct& d, const Sample& s) { return d.reach(s.name); },
          [](Service& c, const Sample& s) { return c.reach(s.name); }),
      question(
          "totals of the catalogue", [](Direct& d, const Sample&) { return d.totals(); },
          [](Service& c, const Sample&) { return c.totals(); }),
  };
}

}  // namespace

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto rank = static_cast<std::size_t>(share * static_cast<double>(values.size()));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::min(rank, values.size() - 1));
  std::ranges::nth_element(values, at);
  return *at;
}

double median(std::vector<double> values) { return percentile(std::move(values), 0.5); }

Measurement measure(const std::string& database, const std::string& tier, qm::Tags tags,
                    const std::function<void()>& checkpoint) {
  Direct direct(database);
  const std::vector<Sample> samples = direct.samples(kSamples);
  const std::vector<Question> asked = questions();
  Measurement result;
  result.all.question = "all questions";
  std::vector<double> all_direct, all_tier;
  std::vector<double> all_memory(kBatches, 0.0);
  for (const Question& q : asked) result.questions.push_back({.question = q.name});

  Service service(database, tier, {.tags = tags});  // its misses fill the tier
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const Question& q = asked[i];
    std::vector<double> times;
    for (int round = 0; round < kDirectRounds; ++round)
      for (const Sample& sample : samples) {
        times.push_back(time_us([&] { q.directly(direct, sample); }));
        checkpoint();
      }
    all_direct.insert(all_direct.end(), times.begin(), times.end());
    result.questions[i].direct_us = median(times);

    q.cached(service, samples, 1);  // fills
    std::vector<double> batches;
    for (int batch = 0; batch < kBatches; ++batch) {
      const double us = time_us([&] { q.cached(service, samples, kRoundsPerBatch); });
      batches.push_back(us * 1000 / (kRoundsPerBatch * static_cast<double>(samples.size())));
      all_memory[static_cast<std::size_t>(batch)] +=
          batches.back() / static_cast<double>(asked.size());
      checkpoint();
    }
    result.questions[i].memory_hit_ns = median(batches);
  }

  Service fresh(database, tier, {.tags = tags});  // knows nothing: what it hits is in the file
  for (std::size_t i = 0; i < asked.size(); ++i) {
    std::vector<double> times;
    for (const Sample& sample : samples) {
      qm::Outcome outcome;
      const double us = time_us([&] { outcome = asked[i].outcome(fresh, sample); });
      if (outcome.is_hit() && outcome.origin == qm::Origin::shared_tier) times.push_back(us);
      checkpoint();
    }
    all_tier.insert(all_tier.end(), times.begin(), times.end());
    result.questions[i].file_tier_hit_us = median(times);
  }
  result.all.direct_us = median(all_direct);
  result.all.memory_hit_ns = median(all_memory);
  result.all.file_tier_hit_us = median(all_tier);
  return result;
}

}  // namespace catalogue
