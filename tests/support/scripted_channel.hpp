#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "byte_channel.hpp"
#include "querymark/support/error.hpp"

namespace querymark::test {

/// Hands out a text in pieces of so many bytes, and then says that the other side is gone.
class ScriptedChannel final : public net::Channel {
 public:
  ScriptedChannel(std::string text, std::size_t piece) : text_(std::move(text)), piece_(piece) {}
  void send(std::string_view /*bytes*/, net::Deadline /*deadline*/) override {}
  std::size_t receive(char* into, std::size_t room, net::Deadline /*deadline*/) override {
    if (at_ == text_.size()) throw Error("gone", {.connection_lost = true});
    const std::size_t size = std::min({piece_, room, text_.size() - at_});
    text_.copy(into, size, at_);
    at_ += size;
    return size;
  }
  [[nodiscard]] bool readable(int /*wake*/, net::Deadline /*deadline*/) override { return true; }
  [[nodiscard]] bool quiet() noexcept override { return at_ == text_.size(); }
  [[nodiscard]] std::size_t received() const noexcept { return at_; }

 private:
  std::string text_;
  std::size_t piece_;
  std::size_t at_ = 0;
};

}  // namespace querymark::test
