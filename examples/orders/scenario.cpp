#include "scenario.hpp"

#include <stdexcept>

namespace orders {

using namespace std::chrono_literals;

void require(bool holds, std::string_view what) {
  if (!holds) throw std::logic_error("not as promised: " + std::string(what));
}

void exercise(qm::Database& one, qm::Database& other, Dialect dialect) {
  Orders here(one, dialect);
  Orders there(other, dialect);
  const std::chrono::sys_seconds noon = std::chrono::sys_days(2026y / 11 / 26) + 12h;

  const Orders::Placed tea = here.place("ann", 950, noon);
  const Orders::Placed pot = here.place("bob", 2400, noon + 1min);
  require(here.find(tea.id).value().placed == noon, "a time comes back as it was");
  require(here.find_all({pot.id, tea.id}).size() == 2, "a list of ids is one parameter");
  require(here.list({.customer = "bob"}).at(0).id == pot.id, "filters may be left out");
  require(!here.find(-1), "no row is no order");

  // A client reads its own write from another instance: it sends the receipt along.
  require(there.seen(pot.receipt, 2s), "the other instance hears of the write");
  require(there.find(pot.id).value().status == Status::placed, "and reads it");
  require(there.revenue() == 3350, "also in sums");
  const std::string paid = here.set_status(pot.id, Status::cancelled);
  require(here.find(pot.id).value().status == Status::cancelled, "a writer sees its write at once");
  require(there.seen(paid, 2s), "the other instance hears of the change");
  require(there.find(pot.id).value().status == Status::cancelled, "what was cached is not served");
  require(there.revenue() == 950, "nor what was summed up");
  require(!there.seen("not a receipt", 0s), "what a client sends is not trusted");

  try {
    static_cast<void>(here.set_status(-1, Status::paid));
    require(false, "an order that is not there can't be paid");
  } catch (const qm::Error& refusal) {
    require(std::string_view(refusal.what()).find("-1") != std::string_view::npos, "and is named");
  }
  const std::uint64_t before = other.source().cache().stats().hits;
  for (int i = 0; i < 10; ++i) static_cast<void>(there.find(tea.id));
  require(other.source().cache().stats().hits >= before + 9,
          "what nobody changed comes from memory");
}

}  // namespace orders
