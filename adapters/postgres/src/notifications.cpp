#include <functional>
#include <memory>

#include "connection_talk.hpp"
#include "errors.hpp"
#include "values.hpp"

// What a server says unasked, and what is sent to it unawaited. What it notes of a statement comes
// with its answer.

namespace querymark::postgres {

void Connection::collect_notices(std::vector<std::string>& notices) {
  const auto collect = [](void* into, const PGresult* notice) {
    if (const char* text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY))
      static_cast<std::vector<std::string>*>(into)->emplace_back(text);
  };
  PQsetNoticeReceiver(native_.get(), collect, &notices);
}

void Connection::send(const char* sql, std::initializer_list<ParameterView> values) {
  const Call call{"send a statement", settings_.statement_timeout};
  const Bound bound({values.begin(), values.size()});
  guarded(call, [&](auto&& ended) {
    const bool sent = send_bound(native_.get(), sql, bound);
    ended();
    if (!sent) fail(call, nullptr);
  });
}

bool Connection::take_notifications(
    const std::function<void(const Notification& notification)>& notified) {
  const Call call{"listen", settings_.statement_timeout};
  guarded(call, [&](auto&& ended) {
    const bool alive = PQconsumeInput(native_.get()) != 0;
    ResultHandle failed;
    while (PQisBusy(native_.get()) == 0) {
      ResultHandle result{PQgetResult(native_.get())};
      if (!result) break;
      if (is_failure(result.get()) && !failed) failed = std::move(result);
    }
    ResultHandle last;
    if (failed) pipeline_.take_one(last, failed);  // what ends the answer is on its way
    ended();
    if (!alive || failed) fail(call, failed.get());
  });
  hand_out_notifications(notified);
  return PQtransactionStatus(native_.get()) != PQTRANS_ACTIVE;
}

void Connection::hand_out_notifications(const std::function<void(const Notification&)>& notified) {
  struct Free {
    void operator()(PGnotify* notification) const noexcept { PQfreemem(notification); }
  };
  while (const std::unique_ptr<PGnotify, Free> one{PQnotifies(native_.get())})
    notified({.channel = one->relname, .payload = one->extra, .pid = one->be_pid});
}

void Connection::finish_sent() {
  ask({"send a statement", settings_.statement_timeout}, [](PGconn*) { return 1; });
}

}  // namespace querymark::postgres
