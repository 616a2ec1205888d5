// Puts the driver for event loops in the place of the one that blocks: what a suite shows of reads, it shows
// of both.

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <future>
#include <memory>

#include "querymark/asio/async_read.hpp"
#include "querymark/read/blocking_driver.hpp"

namespace querymark {
namespace {

class Read final : public detail::AsyncRead {
 public:
  Read(Source& source, ReadRequest& request, Offload& pool, const Executor& executor)
      : AsyncRead(source, std::shared_ptr<ReadRequest>(std::shared_ptr<void>(), &request), pool,
                  executor) {}
  ReadResult wait() { return done_.get_future().get(); }

 private:
  void complete(std::exception_ptr error, ReadResult result, bool /*at_once*/) override {
    if (error)
      done_.set_exception(error);
    else
      done_.set_value(std::move(result));
  }
  std::promise<ReadResult> done_;
};

// Threads enough for loads that read, and for those that wait until a test lets them go on.
struct Loop {
  Offload pool{{.threads = 64, .queue = 10'000}};
  boost::asio::thread_pool threads{2};
};

}  // namespace

ReadResult blocking_read(Source& source, ReadRequest& request) {
  static Loop& loop = *new Loop;  // as long as the process: others' destructors may read
  const auto read =
      std::make_shared<Read>(source, request, loop.pool, loop.threads.get_executor());
  read->start();
  return read->wait();
}

}  // namespace querymark
