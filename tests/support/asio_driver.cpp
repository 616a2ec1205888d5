// Puts the driver for event loops in the place of the one that blocks: what a suite shows of reads, it shows
// of both.

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <future>
#include <memory>
#include <utility>

#include "querymark/asio/async_read.hpp"
#include "querymark/read/blocking_driver.hpp"

namespace querymark {
namespace {

class Read final : public detail::AsyncRead {
 public:
  Read(Source& source, ReadRequest& request, Offload& pool, const Executor& executor)
      : AsyncRead(source, std::shared_ptr<ReadRequest>(std::shared_ptr<void>(), &request), pool,
                  executor) {}
  // (The error is taken out of the read, or the last to let go of it could be a thread of the loop.)
  ReadResult wait() {
    done_.get_future().wait();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    return std::move(result_);
  }

 private:
  void complete(std::exception_ptr error, ReadResult result, bool /*at_once*/) override {
    error_ = std::move(error);
    result_ = std::move(result);
    done_.set_value();
  }
  std::promise<void> done_;
  std::exception_ptr error_;
  ReadResult result_;
};

// Threads enough for loads that read, and for those that wait until a test lets them go on.
struct Loop {
  Offload pool{{.threads = 64, .queue = 10'000}};
  boost::asio::thread_pool threads{2};
};

}  // namespace

ReadResult blocking_read(Source& source, ReadRequest& request) {
  static Loop& loop = *new Loop;  // as long as the process: others' destructors may read
  const auto read = std::make_shared<Read>(source, request, loop.pool, loop.threads.get_executor());
  read->start();
  return read->wait();
}

}  // namespace querymark
