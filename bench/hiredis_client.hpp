#pragma once

#ifdef QUERYMARK_BENCH_HIREDIS
#include <hiredis/hiredis.h>

#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace querymark::bench {

/// A bare connection to Redis by hiredis, over the unix socket: the peer.
class Hiredis {
  struct Free {
    void operator()(redisContext* context) const noexcept { redisFree(context); }
    void operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }
  };

 public:
  using Reply = std::unique_ptr<redisReply, Free>;

  explicit Hiredis(const std::string& socket) : context_(redisConnectUnix(socket.c_str())) {
    if (!context_ || context_->err != 0) throw std::runtime_error("hiredis can't connect");
  }

  /// One command and its reply.
  [[nodiscard]] Reply ask(const std::vector<std::string_view>& words) const {
    send(words);
    return receive();
  }
  void send(std::span<const std::string_view> words) const {
    std::vector<const char*> texts;
    std::vector<std::size_t> lengths;
    for (const std::string_view word : words) {
      texts.push_back(word.data());
      lengths.push_back(word.size());
    }
    redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), texts.data(),
                           lengths.data());
  }
  [[nodiscard]] Reply receive() const {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK)
      throw std::runtime_error("hiredis lost the connection");
    return Reply(static_cast<redisReply*>(reply));
  }
  [[nodiscard]] static std::string_view text(const redisReply& reply) {
    return {reply.str, reply.len};
  }

 private:
  std::unique_ptr<redisContext, Free> context_;
};

}  // namespace querymark::bench
#endif
