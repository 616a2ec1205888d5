// Puts the driver for event loops in the place of the one that blocks: what a suite shows of reads, it shows
// of both.

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "querymark/asio/async_read.hpp"
#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/many_reads.hpp"
#include "querymark/read/single_read.hpp"

namespace querymark {
namespace {

template <class Running>
class Read final : public detail::AsyncRead {
 public:
  template <class... Args>
  Read(Source& source, Offload& pool, const Executor& executor, Args&&... args)
      : AsyncRead(source, &pool, executor), running_(source, std::forward<Args>(args)...) {}
  // (The error is taken out of the read, or the last to let go of it could be a thread of the loop.)
  auto wait() {
    done_.get_future().wait();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    return std::move(*result_);
  }

 private:
  RunningRead& running() noexcept override { return running_; }
  void leave() noexcept override {}  // nobody cancels it
  void complete(std::exception_ptr error, bool /*at_once*/) override {
    error_ = std::move(error);
    try {
      if (!error_) result_.emplace(running_.take());
    } catch (...) {  // as it has ended
      error_ = std::current_exception();
    }
    done_.set_value();
  }
  std::promise<void> done_;
  std::exception_ptr error_;
  Running running_;
  std::optional<decltype(running_.take())> result_;
};

// Threads enough for loads that read, and for those that wait until a test lets them go on.
struct Loop {
  Offload pool{{.threads = 64, .queue = 10'000}};
  boost::asio::thread_pool threads{2};
};

}  // namespace

namespace {

template <class Running, class... Args>
auto drive(Source& source, Args&&... args) {
  static Loop& loop = *new Loop;  // as long as the process: others' destructors may read
  const auto read = std::make_shared<Read<Running>>(source, loop.pool, loop.threads.get_executor(),
                                                    std::forward<Args>(args)...);
  read->start();
  return read->wait();
}

}  // namespace

ReadResult blocking_read(Source& source, ReadRequest& request) {
  return drive<SingleRead>(source, request);
}

std::vector<ReadAnswer> blocking_read_each(Source& source, std::vector<ReadRequest*> requests) {
  return drive<ManyReads>(source, std::move(requests));
}

}  // namespace querymark
