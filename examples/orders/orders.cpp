#include "orders.hpp"

namespace orders {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kColumns = "select id, customer, status, cents, placed from orders ";

qm::Target all() { return qm::collection("order"); }
qm::Target one(std::int64_t id) { return qm::entity("order", id); }

// Of those that are not there as well: who places such an order changes the answer.
std::vector<qm::Target> each(const std::vector<std::int64_t>& ids) {
  std::vector<qm::Target> targets;
  for (const std::int64_t id : ids) targets.push_back(one(id));
  return targets;
}

std::vector<Order> copied(const qm::Rows<Order>& rows) { return {rows.begin(), rows.end()}; }

}  // namespace

Orders::Orders(qm::Database& database, Dialect dialect)
    : db_(database),
      by_id_(db_.prepare<Order>(std::string(kColumns) + "where id = $1")
                 .tag([](std::int64_t id) { return one(id); })
                 .ttl(10min)),
      by_ids_(db_.prepare<Order>(std::string(kColumns) + "where " + dialect.in_list("id", "$1") +
                                 " order by id")
                  .tag([](const std::vector<std::int64_t>& ids) { return each(ids); })) {}

std::optional<Order> Orders::find(std::int64_t id) const { return by_id_.fetch_optional(id); }

std::vector<Order> Orders::find_all(const std::vector<std::int64_t>& ids) const {
  return copied(by_ids_(ids));
}

std::vector<Order> Orders::list(const Filter& filter) const {
  std::string where = "where true";
  qm::Parameters values;
  const auto add = [&](std::string_view column, const auto& value) {
    if (!value) return;
    values.add(*value);
    where += " and " + std::string(column) + " = $" + std::to_string(values.size());
  };
  add("customer", filter.customer);
  add("status", filter.status);
  return copied(db_.query(std::string(kColumns) + where + " order by id", values)
                    .tag(all())
                    .ttl(1min)
                    .fetch_as<Order>());
}

std::int64_t Orders::revenue() const {
  return db_
      .query("select cast(coalesce(sum(cents), 0) as bigint) from orders where status <> $1",
             Status::cancelled)
      .tag(all())
      .fetch_value<std::int64_t>();
}

Orders::Placed Orders::place(const std::string& customer, std::int64_t cents,
                             std::chrono::sys_seconds now) {
  const auto written = db_.write([&](qm::Transaction& tx) {
    const qm::ResultSet id = tx.query(
        "insert into orders (customer, status, cents, placed) values ($1, $2, $3, $4) "
        "returning id",
        customer, Status::placed, cents, now);
    const auto number = id.row(0)[0].as<std::int64_t>();
    tx.invalidate(one(number)).invalidate(all()).reason("placed");
    return number;
  });
  return {written.value, written.receipt.str()};
}

std::string Orders::set_status(std::int64_t id, Status status) {
  const auto written = db_.write([&](qm::Transaction& tx) {
    if (tx.execute("update orders set status = $1 where id = $2", status, id) == 0)
      throw qm::Error("there is no order " + std::to_string(id));
    tx.invalidate(one(id)).invalidate(all());
  });
  return written.receipt.str();
}

bool Orders::seen(std::string_view receipt, std::chrono::milliseconds timeout) {
  const auto parsed = qm::Receipt::parse(receipt);
  return parsed && db_.wait(*parsed, qm::Wait::local(timeout)).satisfied();
}

}  // namespace orders
