// A process with a cache on a shop database, over a shared tier if one is given, which follows the log
// through a Redis server if that is given, driven line by line:
//   set ID PRICE       write with intents                        -> receipt
//   forget ID PRICE    write without the product's intent        -> receipt of an unrelated intent
//   wait RECEIPT       wait locally                              -> status
//   soon RECEIPT       the same, with little patience            -> status
//   cluster RECEIPT    wait for everybody                        -> status
//   look RECEIPT       the same, without patience                -> status
//   get ID             cached read                               -> PRICE SOURCE
//   direct ID          uncached read                             -> PRICE
//   storm ID           writes 1, 2, 3, ... until killed          -> PRICE RECEIPT per commit, or
//                                                                   "failed" for one that is not
//   sleep SECONDS      the machine is suspended meanwhile        -> awake
//   die STEP           the next write dies at its so many-th step in the file system -> ready
#include <fmt/format.h>

#include <iostream>
#include <sstream>

#include "dying_file_system.hpp"
#include "querymark/file_tier/file_tier.hpp"
#include "querymark/sqlite/sqlite.hpp"
#include "sleeping_machine.hpp"
#ifdef QUERYMARK_TEST_POSTGRES
#include "querymark/postgres/postgres.hpp"
#endif
#ifdef QUERYMARK_TEST_REDIS
#include "querymark/redis/redis_feed.hpp"
#include "querymark/redis/redis_tier.hpp"
#endif

namespace qm = querymark;

namespace {

struct Sqlite {
  using Database = qm::sqlite::Database;
  static constexpr const char* kPriceOf = "select price from product where id = ?";
  static constexpr const char* kSetPrice = "update product set price = ? where id = ?";

  static qm::sqlite::Options options(const std::string&) {
    qm::sqlite::Options options;
    options.namespace_name = "shop";
    options.synchronous = qm::sqlite::Synchronous::normal;
    return options;
  }
};

#ifdef QUERYMARK_TEST_POSTGRES
struct Postgres {
  using Database = qm::postgres::Database;
  static constexpr const char* kPriceOf = "select price from product where id = $1";
  static constexpr const char* kSetPrice = "update product set price = $1 where id = $2";

  static qm::postgres::Options options([[maybe_unused]] const std::string& feed) {
    qm::postgres::Options options;
    options.namespace_name = "shop";
#ifdef QUERYMARK_TEST_REDIS
    if (!feed.empty()) options.feed = std::make_shared<qm::RedisFeed>(feed);
#endif
    return options;
  }
};
#endif

template <class On>
class Agent {
 public:
  Agent(const std::string& address, const std::string& tier, const std::string& feed)
      : db_(address, cache_, On::options(feed)) {
#ifdef QUERYMARK_TEST_REDIS
    if (tier.starts_with("unix:")) {
      db_.attach(qm::RedisTier(tier));
      return;
    }
#endif
    if (!tier.empty()) db_.attach(qm::FileTier(tier, {.busy_timeout = std::chrono::seconds(30)}));
  }

  std::string answer(const std::string& line) {
    std::istringstream in(line);
    std::string command;
    std::string argument;
    double price = 0;
    in >> command >> argument >> price;
    if (command == "wait") return wait(argument, qm::Wait::local(std::chrono::seconds(10)));
    if (command == "soon") return wait(argument, qm::Wait::local(std::chrono::milliseconds(300)));
    if (command == "cluster") return wait(argument, qm::Wait::cluster(std::chrono::seconds(20)));
    if (command == "look") return wait(argument, qm::Wait::cluster(std::chrono::seconds(0)));
    const std::int64_t id = std::stoll(argument);
    if (command == "set") return write(id, price, qm::entity("product", id));
    if (command == "forget") return write(id, price, qm::tag("nothing"));
    if (command == "get") return get(id);
    if (command == "direct") return direct(id);
    if (command == "storm") storm(id);
    if (command == "sleep") return sleep(std::chrono::seconds(id));
    if (command == "die") return qm::test::die_at(static_cast<int>(id)), "ready";
    return "unknown command " + command;
  }

 private:
  std::string write(std::int64_t id, double price, const qm::Target& target) {
    return db_
        .write([&](auto& tx) {
          tx.execute(On::kSetPrice, price, id);
          tx.invalidate(target);
        })
        .receipt.str();
  }
  std::string wait(const std::string& text, const qm::Wait& wait) {
    const auto receipt = qm::Receipt::parse(text);
    if (!receipt) return "no receipt";
    return std::string(to_string(db_.wait(*receipt, wait).status));
  }
  std::string get(std::int64_t id) {
    const auto rows = by_id_(id);
    return fmt::format("{} {}", rows[0], to_string(rows.outcome().origin));
  }
  std::string direct(std::int64_t id) {
    const auto rows = db_.query(On::kPriceOf, id).uncached().template fetch_as<double>();
    return fmt::format("{}", rows[0]);
  }
  static std::string sleep(std::chrono::seconds span) {
    qm::test::suspend_machine(span);
    return "awake";
  }
  [[noreturn]] void storm(std::int64_t id) {
    for (int i = 1;; ++i) {
      try {
        const std::string receipt = write(id, i, qm::entity("product", id));
        std::cout << i << ' ' << receipt << std::endl;
      } catch (const qm::Error&) {
        std::cout << "failed" << std::endl;
      }
    }
  }

  qm::Cache cache_;
  typename On::Database db_;
  decltype(std::declval<typename On::Database&>()
               .template prepare<double>("")
               .tag(+[](std::int64_t id) { return qm::entity("product", id); })
               .ttl({})) by_id_ =
      db_.template prepare<double>(On::kPriceOf)
          .tag(+[](std::int64_t id) { return qm::entity("product", id); })
          .ttl(std::chrono::hours(1));
};

template <class On>
int serve(const std::string& address, const std::string& tier, const std::string& feed) {
  Agent<On> agent(address, tier, feed);
  for (std::string line; std::getline(std::cin, line);)
    std::cout << agent.answer(line) << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string address = argv[1];
    const std::string tier = argc > 2 ? argv[2] : "";
    const std::string feed = argc > 3 ? argv[3] : "";
#ifdef QUERYMARK_TEST_POSTGRES
    if (qm::postgres::is_url(address)) return serve<Postgres>(address, tier, feed);
#endif
    return serve<Sqlite>(address, tier, feed);
  } catch (const std::exception& failure) {
    std::cout << "failed: " << failure.what() << std::endl;
    return 1;
  }
}
