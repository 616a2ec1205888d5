#pragma once  // For writers of ports.

namespace querymark {

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

/// Wakes a thread that sleeps in poll(2) on `fd()`. Thread-safe.
class WakeEvent {
 public:
  /// Throws Error when the system has no descriptor left.
  WakeEvent();
  [[nodiscard]] int fd() const noexcept { return event_.get(); }
  void set() noexcept;
  /// True when set since the last time.
  bool take() noexcept;

 private:
  Descriptor event_;
};

}  // namespace querymark
