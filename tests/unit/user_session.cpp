#include "querymark/database/user_session.hpp"

#include <catch2/catch.hpp>

#include "querymark/testing/memory_database.hpp"
#include "support/rows.hpp"
#include "unit/read_fixture.hpp"

// One user, whose requests are served by processes that know of each other's writes only what they
// are told: none of them has a thread that reads the log.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::only;
using testing::Call;
using testing::MemoryDatabase;

constexpr const char* kNumber = "select n from t";

struct Fixture {
  Cache caches[3] = {Cache{{.memory_bytes = 16U << 20U}}, Cache{{.memory_bytes = 16U << 20U}},
                     Cache{{.memory_bytes = 16U << 20U}}};
  MemoryDatabase first{caches[0]};
  MemoryDatabase second{caches[1], first};
  MemoryDatabase third{caches[2], first};
  std::int64_t n = 1;

  Fixture() {
    first.on_query(kNumber, [this](const Call&) { return test::number(n); });
    first.on_execute("set", [this](const Call& call) {
      n = call[0].as<std::int64_t>();
      return 1;
    });
    for (MemoryDatabase* db : {&first, &second, &third}) CHECK(read(*db) == 1);
  }
  static std::int64_t read(MemoryDatabase& db, const Consistency& consistency = {}) {
    return only(db.query(kNumber).tag(tag("t")).reading(consistency).fetch_as<std::int64_t>());
  }
  template <class Writer>
  Receipt set(Writer& writer, std::int64_t value) {
    return writer
        .write([&](Transaction& tx) {
          tx.execute("set", value);
          tx.invalidate(tag("t"));
        })
        .receipt;
  }
  [[nodiscard]] Receipt receipt(std::uint64_t position) {
    return {"default", first.source().marks().cursor().epoch, {position}, {position}, 1};
  }
  // Of a write whose transaction still runs, above all that has ended: no look at the log includes it.
  [[nodiscard]] Receipt doubt() {
    Receipt receipt = this->receipt(first.log().now().snapshot.limit().value);
    receipt.in_doubt = true;
    return receipt;
  }
};

std::uint64_t polls(const MemoryDatabase& db) { return db.stats().polls; }

// By this user in processes that know nothing of it, once it has been committed.
void check_that_it_is_read(Fixture& f, const UserSession& user, const Receipt& doubt) {
  UserSession there = f.second.user_session(user.str());
  CHECK(Fixture::read(f.second, there) == 1);
  f.n = 2;
  IntentBatch batch;
  batch.add(tag("t"));
  REQUIRE(f.first.log().append(batch).position == doubt.position);
  UserSession beyond = f.third.user_session(there.str());
  CHECK(Fixture::read(f.third) == 1);  // another user
  CHECK(Fixture::read(f.third, beyond) == 2);
}

}  // namespace

TEST_CASE("user session: a user reads its own write wherever the next request is served",
          "[user_session]") {
  Fixture f;
  UserSession user = f.first.user_session({});
  f.set(user, 2);
  CHECK(Fixture::read(f.first, user) == 2);
  UserSession there = f.second.user_session(user.str());
  CHECK(Fixture::read(f.second) == 1);  // another user
  CHECK(Fixture::read(f.second, there) == 2);
  // And from there on to a third process, which knows no more than the second did.
  UserSession beyond = f.third.user_session(there.str());
  CHECK(Fixture::read(f.third, beyond) == 2);
}

TEST_CASE("user session: what it remembers after a read is included in the next",
          "[user_session]") {
  Fixture f;
  UserSession user = f.second.user_session({});
  for (const std::int64_t value : {2, 3}) {
    user.remember(f.set(f.first, value));
    CHECK(Fixture::read(f.second, user) == value);
  }
}

TEST_CASE("user session: prepared queries are read by it, and hit memory when it is covered",
          "[user_session]") {
  Fixture f;
  UserSession user = f.first.user_session({});
  f.set(user, 2);
  UserSession there = f.second.user_session(user.str());
  const auto number = f.second.prepare<std::int64_t>(kNumber).tag(tag("t"));
  CHECK(number.reading(there).fetch_one() == 2);
  const std::uint64_t before = polls(f.second);
  CHECK(number.reading(there)().outcome().is_hit());
  UserSession again = f.second.user_session(there.str());
  CHECK(number.reading(again)().outcome().is_hit());
  CHECK(polls(f.second) == before);
}

TEST_CASE("user session: the highest position is not the last to commit (hard case 68)",
          "[user_session]") {
  Fixture f;
  UserSession user = f.first.user_session({});
  user.remember(f.receipt(9));
  user.remember(f.receipt(8));
  user.remember(f.receipt(8));
  CHECK(user.receipts().size() == 2);
  const UserSession there = f.second.user_session(user.str());
  REQUIRE(there.receipts().size() == 2);
  CHECK(there.receipts()[0].position == Position{8});
  const auto covering = [&](Snapshot snapshot) {
    f.second.source().marks().restart({f.receipt(1).epoch, std::move(snapshot), {}});
    return Consistency::at_least(there.receipts(), {}).met(f.second.source().marks());
  };
  CHECK_FALSE(covering(Snapshot({8}, {10}, {{8}})));
  CHECK(covering(Snapshot({7}, {10}, {{7}})));
}

TEST_CASE("user session: beyond eight writes the older ones are remembered by position",
          "[user_session]") {
  Fixture f;
  UserSession user = f.first.user_session({});
  for (std::uint64_t position = 20; position > 10; --position) user.remember(f.receipt(position));
  CHECK(user.receipts().size() == UserSession::kMaxReceipts);
  CHECK(user.receipts().front().position == Position{13});
  CHECK(user.str().starts_with("qu1.0.c~qm1."));  // all up to 12
  user.remember(f.receipt(5));                    // which is among them
  CHECK(user.receipts().size() == UserSession::kMaxReceipts);
  const UserSession there = f.second.user_session(user.str());
  CHECK(there.str() == user.str());
}

TEST_CASE("user session: while the log can't be read, it asks the database", "[user_session]") {
  Fixture f;
  UserSession user = f.first.user_session({});
  f.set(user, 2);
  UserSession there = f.second.user_session(user.str());
  f.first.set_reachable(false);
  const Consistency wanted = there;
  CHECK_FALSE(wanted.is_eventual());
  CHECK_THROWS_AS(Fixture::read(f.second, wanted), Error);
  f.first.set_reachable(true);
  f.second.catch_up();
  CHECK(Fixture::read(f.second, there) == 2);
}

TEST_CASE("user session: monotonic reads catch up where another process has served the user",
          "[user_session]") {
  Fixture f;
  f.set(f.first, 2);  // somebody else's, which the user sees
  UserSession user = f.first.user_session({}).monotonic();
  CHECK(Fixture::read(f.first, user) == 2);
  const std::string cookie = user.str();
  SECTION("without it, reads may go back") {
    UserSession plain = f.second.user_session(cookie);
    CHECK(Fixture::read(f.second, plain) == 1);
  }
  SECTION("with it they do not") {
    UserSession there = f.second.user_session(cookie).monotonic();
    CHECK(Fixture::read(f.second, there) == 2);
    const std::uint64_t before = polls(f.second);
    CHECK(Fixture::read(f.second, there) == 2);
    UserSession stays = f.second.user_session(there.str()).monotonic();
    CHECK(Fixture::read(f.second, stays) == 2);
    CHECK(polls(f.second) == before);
  }
  SECTION("nor when the log can't be read at first") {
    f.first.set_reachable(false);
    UserSession there = f.second.user_session(cookie).monotonic();
    CHECK(there.consistency().is_strong());
    UserSession next = f.second.user_session(there.str()).monotonic();
    CHECK(next.consistency().is_strong());
    f.first.set_reachable(true);
    f.second.catch_up();
    CHECK(Fixture::read(f.second, next) == 2);
  }
}

TEST_CASE("user session: a text that can't be read makes the first read catch up",
          "[user_session]") {
  Fixture f;
  UserSession user = f.first.user_session({});
  f.set(user, 2);
  user.remember(f.receipt(100));
  const std::string good = user.str();
  const auto reads_new = [&](const std::string& text) {
    Cache cache{{.memory_bytes = 16U << 20U}};
    Cache another{{.memory_bytes = 16U << 20U}};
    MemoryDatabase db{cache, f.first};
    MemoryDatabase beyond{another, f.first};
    f.n = 1;
    static_cast<void>(Fixture::read(db));
    static_cast<void>(Fixture::read(beyond));
    f.n = 2;
    f.first.log().append([] {
      IntentBatch batch;
      batch.add(tag("t"));
      return batch;
    }());
    UserSession broken = db.user_session(text);
    CHECK(broken.receipts().empty());
    if (Fixture::read(db, broken) != 2) return false;
    // What the text said nobody knows any more, so the next process includes as much as this one.
    UserSession there = beyond.user_session(broken.str());
    return Fixture::read(beyond, there) == 2;
  };
  CHECK(reads_new("x"));
  CHECK(reads_new("qu1."));
  CHECK(reads_new("qu1.-"));
  CHECK(reads_new("qu1.0"));
  CHECK(reads_new("qu1.0.5"));  // all up to 5, of which epoch?
  CHECK(reads_new("qu2.0.0"));
  CHECK(reads_new("qu1.0.0~"));
  CHECK(reads_new(good + "~"));
  CHECK(reads_new(good + "x"));
  CHECK(reads_new(good.substr(0, good.size() - 2)));
  CHECK(reads_new(good.substr(0, good.size() - 1) + "0"));  // nothing that anybody remembers
  CHECK(reads_new(good + good.substr(good.find('~'))));     // not in order
  CHECK(reads_new(std::string(5000, '~')));
  CHECK(reads_new("qu1.11112222333344445.0"));
  std::string foreign = good;
  foreign.replace(foreign.find("default"), 7, "another");
  CHECK(reads_new(foreign));
}

TEST_CASE("user session: what comes true nowhere is forgotten after one look at the log",
          "[user_session]") {
  Fixture f;
  UserSession user = f.first.user_session({});
  user.remember(f.receipt(100));  // ahead of everything
  CHECK(Fixture::read(f.first, user) == 1);
  CHECK(user.receipts().empty());
  const Receipt old = f.set(user, 2);
  f.first.log().replace_history();
  UserSession there = f.second.user_session(user.str());
  CHECK(Fixture::read(f.second, there) == 2);
  REQUIRE(there.receipts().size() == 1);  // that there is a new history
  CHECK(there.receipts().front().epoch != old.epoch);
  const std::uint64_t before = polls(f.second);
  CHECK(f.second.user_session(there.str()).consistency().is_eventual());
  CHECK(polls(f.second) == before);
  UserSession back = f.first.user_session(user.str());
  const Receipt newer = f.set(back, 3);
  REQUIRE(newer.epoch != old.epoch);
  REQUIRE(back.receipts().size() == 1);  // of the new history alone
  CHECK(back.receipts().front() == newer);
}

TEST_CASE(
    "user session: a write of a history that is over is read where nobody knows of the new one",
    "[user_session]") {
  Fixture f;
  UserSession user = f.first.user_session({});
  f.set(user, 2);
  f.first.log().replace_history();
  UserSession there = f.second.user_session(user.str());
  CHECK(Fixture::read(f.second, there) == 2);
  UserSession beyond = f.third.user_session(there.str());
  CHECK(Fixture::read(f.third) == 1);  // another user
  CHECK(Fixture::read(f.third, beyond) == 2);
}

TEST_CASE("user session: writes of two histories are read, whichever was remembered last",
          "[user_session]") {
  Fixture f;
  const Receipt old = f.set(f.first, 2);
  f.first.log().replace_history();
  for (MemoryDatabase* db : {&f.first, &f.second, &f.third}) {
    db->catch_up();
    CHECK(Fixture::read(*db) == 2);
  }
  UserSession user = f.first.user_session({});
  f.set(user, 3);
  user.remember(old);
  UserSession there = f.second.user_session(user.str());
  CHECK(Fixture::read(f.second, there) == 3);
  UserSession beyond = f.third.user_session(there.str());
  CHECK(Fixture::read(f.third, beyond) == 3);
}

TEST_CASE("user session: nothing outdated is served to who has written, whatever the policy says",
          "[user_session]") {
  Fixture f;
  constexpr const char* kOfKey = "select n from t where 0 = $1";
  f.first.on_query(kOfKey, [&](const Call&) { return test::number(f.n); });
  const ReadPolicy old_in_need{.serve_invalidated_on_error = 1h};
  const auto prepared = f.first.prepare<std::int64_t>(kOfKey).tag(tag("t")).policy(old_in_need);
  const auto one = [&](const Consistency& wanted) {
    return only(f.first.query(kNumber)
                    .tag(tag("t"))
                    .policy(old_in_need)
                    .reading(wanted)
                    .fetch_as<std::int64_t>());
  };
  CHECK(one({}) == 1);
  CHECK(prepared.fetch_one(std::int64_t{0}) == 1);
  UserSession user = f.first.user_session({});
  UserSession never_back = f.first.user_session({}).monotonic();
  f.set(user, 2);
  f.first.set_reachable(false);
  CHECK(one({}) == 1);
  CHECK(prepared(std::int64_t{0}).outcome().status == ReadStatus::outdated);
  for (UserSession* session : {&user, &never_back}) {
    const Consistency wanted = session->consistency();
    CHECK(wanted.is_eventual());
    CHECK_THROWS_AS(one(wanted), Error);
    CHECK_THROWS_AS(prepared.reading(wanted)(std::int64_t{0}), Error);
    CHECK_THROWS_AS(prepared.reading(wanted).fetch_many(std::vector<std::int64_t>{0}), Error);
  }
}

TEST_CASE("user session: a write in doubt is remembered, and the error goes on", "[user_session]") {
  Fixture f;
  UserSession user = f.first.user_session({});
  f.first.lose_next_commit(true);
  CHECK_THROWS_AS(f.set(user, 2), CommitInDoubt);
  REQUIRE(user.receipts().size() == 1);
  CHECK(user.receipts().front().in_doubt);
  UserSession there = f.second.user_session(user.str());
  CHECK(Fixture::read(f.second, there) == 2);
}

TEST_CASE("user session: what is in doubt outlives a text that can't be read", "[user_session]") {
  Fixture f;
  const Receipt doubt = f.doubt();
  UserSession user = f.first.user_session("x");
  user.remember(f.receipt(1));
  user.remember(doubt);
  check_that_it_is_read(f, user, doubt);
}

TEST_CASE("user session: what is in doubt outlives a write of another history", "[user_session]") {
  Fixture f;
  const Receipt doubt = f.doubt();
  UserSession user = f.first.user_session({});
  user.remember(doubt);
  Receipt elsewhere = f.receipt(1);
  elsewhere.epoch = Epoch{1, 2};
  user.remember(elsewhere);
  check_that_it_is_read(f, user, doubt);
}

TEST_CASE("user session: what is no write of this namespace is not remembered", "[user_session]") {
  Fixture f;
  UserSession user = f.first.user_session({});
  Receipt receipt = f.receipt(3);
  receipt.intents = 0;
  user.remember(receipt);
  receipt = f.receipt(3);
  receipt.namespace_name = "another";
  user.remember(receipt);
  CHECK(user.receipts().empty());
  CHECK(user.str() == "qu1.0.0");
  CHECK(f.second.user_session(user.str()).consistency().is_eventual());
}

TEST_CASE("user session: its text fits into a cookie, however long the namespace is spelled",
          "[user_session]") {
  testing::MemoryOptions options;
  options.namespace_name = std::string(200, '\x7f');
  Cache cache{{.memory_bytes = 16U << 20U}};
  MemoryDatabase db{cache, options};
  UserSession user = db.user_session({});
  for (std::uint64_t position = 1; position <= 8; ++position) {
    Receipt receipt{options.namespace_name, db.source().marks().cursor().epoch, {position}, {1}, 1};
    user.remember(receipt);
  }
  const std::string text = user.str();
  CHECK(text.size() <= UserSession::kMaxText);
  const UserSession there = db.user_session(text);
  CHECK(there.receipts().size() < 8);
  CHECK_FALSE(there.receipts().empty());
  CHECK(there.str() == text);
}

TEST_CASE(
    "user session: a write that ran at the last look, below what is remembered by position, is "
    "read",
    "[user_session]") {
  Fixture f;
  const Receipt before = f.set(f.first, 2);
  UserSession user = f.second.user_session("qu1.0.40~" + before.str());  // all up to 64
  CHECK(Fixture::read(f.second, user) == 2);
  CHECK(Fixture::read(f.second) == 2);
  const Receipt running = f.set(f.first, 3);
  REQUIRE(running.position < Position{64});
  user.remember(running);
  CHECK(Fixture::read(f.second, user) == 3);
}
