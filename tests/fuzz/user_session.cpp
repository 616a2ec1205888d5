// A user's session as a cookie brought it, from whoever: it is written again as what it was read as, and whatever it
// says, the user reads what was written before its text was made. `here` and `gone` stand for epochs, which no fuzzer
// guesses.

#include "querymark/database/user_session.hpp"

#include <memory>

#include "fuzz/fuzz.hpp"
#include "querymark/testing/memory_database.hpp"
#include "support/rows.hpp"

using namespace querymark;

namespace {

constexpr const char* kNumber = "select n from t";

// Two processes on one database, of which none hears of the other's writes by itself.
struct World {
  Cache caches[2] = {Cache{{.memory_bytes = 16U << 20U}}, Cache{{.memory_bytes = 16U << 20U}}};
  testing::MemoryDatabase first{caches[0]};
  testing::MemoryDatabase second{caches[1], first};
  std::int64_t n = 0;

  World() {
    first.on_query(kNumber,
                   [this](const testing::Call&) { return testing::Table({"n"}).row(n).rows(); });
  }
  Receipt write() {
    ++n;
    return first.write([](Transaction& tx) { tx.invalidate(tag("t")); }).receipt;
  }
  static std::int64_t read(testing::MemoryDatabase& db, const Consistency& consistency = {}) {
    return test::only(
        db.query(kNumber).tag(tag("t")).reading(consistency).fetch_as<std::int64_t>());
  }
  [[nodiscard]] std::string epoch() { return first.source().marks().cursor().epoch.hex(); }
};

std::string with_epochs(std::string_view input, const std::string& here) {
  std::string text(input);
  for (const auto& [word, epoch] :
       {std::pair{std::string("here"), here}, {"gone", std::string(32, '0')}})
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += epoch.size())
      text.replace(at, word.size(), epoch);
  return text;
}

}  // namespace

// Entries of a memory tier that lives are no leak: its index keeps their addresses with other bits above.
extern "C" const char*
__lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier): the sanitizer's
extern "C" const char* __lsan_default_suppressions() { return "leak:allocate_entry_block"; }

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::unique_ptr<World> world;
  if (!world || world->n == 10'000) world = std::make_unique<World>();  // a log has an end
  if (size == 0) return 0;
  const std::string text = with_epochs(fuzz::view_of(data + 1, size - 1), world->epoch());
  UserSession user(world->second, text);
  const std::string shown = user.str();
  fuzz::require(shown.size() <= UserSession::kMaxText, "no text is longer than the limit");
  fuzz::require(UserSession(world->second, shown).str() == shown, "what is written is read back");

  static_cast<void>(World::read(world->second));
  if ((data[0] & 1U) != 0) user.monotonic();
  if ((data[0] & 2U) != 0) static_cast<void>(World::read(world->second, user));
  user.remember(world->write());
  if ((data[0] & 4U) != 0) user = UserSession(world->second, user.str());
  fuzz::require(World::read(world->second, user) == world->n, "a user reads what it has written");
  return 0;
}
