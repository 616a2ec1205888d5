// Writers that know nothing of the library hunt a stale read. What they write and redefine is drawn by lot;
// meanwhile other readers have loads under way. After each write every question is asked through the cache and past it.
//
// QUERYMARK_SEED repeats a hunt, QUERYMARK_SECONDS makes it longer: ten minutes of PostgreSQL are
//
//   QUERYMARK_SECONDS=600 test_conformance_automatic_hunt "*PostgresPrey*"

#include <catch2/catch.hpp>
#include <chrono>
#include <deque>
#include <iostream>
#include <numeric>
#include <string>
#include <thread>

#include "property/random.hpp"
#include "sqlite_prey.hpp"
#ifdef QUERYMARK_TEST_POSTGRES
#include "postgres_prey.hpp"
#define QUERYMARK_PREY SqlitePrey, PostgresPrey
#else
#define QUERYMARK_PREY SqlitePrey
#endif

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kParameters = 4;  // from 0, which nothing has

std::chrono::seconds budget() { return seconds_or(15); }

// What was last written, for who has to understand a failure.
class Diary {
 public:
  void note(const std::string& sql, const std::string& came_of_it) {
    lines_.push_back(sql + (came_of_it.empty() ? "" : "\n    failed: " + came_of_it));
    if (lines_.size() > 60) lines_.pop_front();
  }
  [[nodiscard]] std::string text() const {
    return std::accumulate(
        lines_.begin(), lines_.end(), std::string(),
        [](std::string all, const std::string& line) { return std::move(all) + '\n' + line; });
  }

 private:
  std::deque<std::string> lines_;
};

struct Answer {
  std::optional<ResultSet> rows;  // none: it failed
  bool hit = false;
  std::string text;  // of the failure
};

template <class Database>
Answer ask(Database& db, const std::string& question, std::int64_t parameter, bool cached) {
  try {
    auto query = db.query(question, parameter).ttl(1h);
    const Result result = std::move(query).uncached(!cached).fetch();
    return {.rows = result.set(), .hit = result.outcome().is_hit(), .text = {}};
  } catch (const Error& failure) {
    return {.rows = std::nullopt, .text = failure.what()};
  }
}

// Have loads under way whenever something is written.
template <class Process>
std::jthread readers(Process& process, const std::vector<std::string>& questions) {
  return std::jthread([&](const std::stop_token& stop) {
    Choices choices(1);
    while (!stop.stop_requested())
      static_cast<void>(
          ask(process.db, one_of(questions, choices), choices.below(kParameters), true));
  });
}

}  // namespace

TEMPLATE_TEST_CASE("automatic: writers that know nothing of the library hunt a stale read",
                   "[automatic]", QUERYMARK_PREY) {
  Choices choices(Choices::first_seed());
  TestType prey;
  prey.track();
  const auto process = prey.open();
  const auto visitors = readers(*process, prey.questions());
  Diary diary;
  std::size_t rounds = 0, failed = 0, asked = 0, hits = 0;
  const auto end = std::chrono::steady_clock::now() + budget();
  while (std::chrono::steady_clock::now() < end) {
    ++rounds;
    const auto did = prey.act(choices);
    if (!did.failure.empty()) ++failed;
    diary.note(did.what, did.failure);
    process->db.catch_up();
    for (const std::string& question : prey.questions())
      for (std::int64_t parameter = 0; parameter < kParameters; ++parameter) {
        const Answer cached = ask(process->db, question, parameter, true);
        const Answer fresh = ask(process->db, question, parameter, false);
        ++asked;
        if (cached.hit) ++hits;
        if (cached.rows == fresh.rows) continue;
        INFO("QUERYMARK_SEED=" << choices.seed() << ", round " << rounds << ": " << question
                               << " of " << parameter << (cached.hit ? ", a hit" : ", no hit")
                               << diary.text() << "\ncached: " << cached.text
                               << "\nfresh: " << fresh.text);
        REQUIRE(cached.rows == fresh.rows);
      }
  }
  std::cout << TestType::kName << ": seed " << choices.seed() << ", " << rounds << " writes ("
            << failed << " failed), " << asked << " answers compared, " << hits << " hits\n";
  CHECK(hits > asked / 10);  // precise enough to be of use
  CHECK(failed < rounds * 3 / 4);
}
