#include "querymark/sqlite/doorbell.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <utility>

#include "connection.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/wake_event.hpp"

// One thread waits. It sleeps in poll(2) on two descriptors: inotify on the folder (the WAL may be
// created and deleted at any time, so the folder is watched and the file's name filtered), and an
// eventfd that interrupt() writes. The idle connection belongs to the waiting thread.
//
// A write to the WAL is seen before the commit is visible: SQLite writes frames, syncs, and only
// then publishes the commit in shared memory, which no notification reports. So after an event
// data_version is looked at again and again, with growing pauses, until it moves or the event is
// old.
//
// Two rings are kPause apart at least: under a stream of commits each ring then stands for several,
// and the writer, who shares SQLite's locks and perhaps the core, gets on.

namespace querymark::sqlite {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::microseconds kFirstLook{30};
constexpr std::chrono::milliseconds kLastLook{50};
constexpr std::chrono::milliseconds kBlindLook{1};
constexpr std::chrono::microseconds kPause{200};

}  // namespace

struct FileDoorbell::State {
  explicit State(const std::string& db_path)
      : path(path_of(db_path)), watch(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    const std::filesystem::path absolute(path);
    file_name = absolute.filename().string();
    if (watch.get() >= 0)
      watching = ::inotify_add_watch(watch.get(), absolute.parent_path().c_str(),
                                     IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE) >= 0;
    open();
  }

  void open() {
    connection.reset();
    connection = std::make_unique<Connection>(path, Connection::Use::read, Connection::Settings{});
    seen = version();
  }

  std::int64_t version() {
    const ResultSet set = connection->query("pragma data_version", {});
    return set.row(0)[0].as<std::int64_t>();
  }

  // True when a commit of another connection has become visible since the last call, or when the
  // path leads to another file. What goes wrong here is no news: the consumer's own read of the log
  // meets it too, and reports it.
  bool rung() {
    try {
      const auto file = identity_of(path);
      if (!file) return false;  // in the middle of a replacement
      if (!connection || *file != connection->identity()) {
        open();
        return true;
      }
      const std::int64_t now = version();
      return std::exchange(seen, now) != now;
    } catch (const Error&) {
      connection.reset();
      return false;
    }
  }

  // Empties the inotify queue; true when an event concerns this database.
  bool drain_events() {
    bool ours = false;
    alignas(inotify_event) std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t size = ::read(watch.get(), buffer.data(), buffer.size());
      if (size <= 0) return ours;
      for (ssize_t at = 0; at < size;) {
        inotify_event event{};
        std::memcpy(&event, buffer.data() + at, sizeof(event));
        const std::string_view name(event.len > 0 ? buffer.data() + at + sizeof(event) : "");
        ours = ours || (event.mask & IN_Q_OVERFLOW) != 0 ||
               (name.starts_with(file_name) &&
                (name.size() == file_name.size() || name.substr(file_name.size()) == "-wal"));
        at += static_cast<ssize_t>(sizeof(event) + event.len);
      }
    }
  }

  // True when interrupted. Ends early also for an event of the watch, if asked to.
  bool sleep(Clock::time_point until, bool end_at_event) {
    const auto pause = until - Clock::now();
    if (pause <= Clock::duration::zero()) return wake.take();
    std::array<pollfd, 2> fds{{{wake.fd(), POLLIN, 0}, {watch.get(), POLLIN, 0}}};
    const timespec limit{.tv_sec = pause.count() / 1'000'000'000,
                         .tv_nsec = pause.count() % 1'000'000'000};
    ::ppoll(fds.data(), end_at_event ? 2 : 1, &limit, nullptr);
    return wake.take();
  }

  std::string path;
  std::string file_name;
  WakeEvent wake;
  Descriptor watch;
  bool watching = false;
  std::unique_ptr<Connection> connection;
  std::int64_t seen = 0;
  Clock::time_point next_ring{};  // not before
};

FileDoorbell::FileDoorbell(const std::string& path) : state_(std::make_unique<State>(path)) {}

FileDoorbell::~FileDoorbell() = default;

bool FileDoorbell::watches_file() const noexcept { return state_->watching; }

void FileDoorbell::interrupt() { state_->wake.set(); }

void FileDoorbell::wait(std::chrono::nanoseconds timeout) {
  State& state = *state_;
  ::prctl(PR_SET_TIMERSLACK, 1000UL);  // nanoseconds: the default is longer than the first look
  const auto deadline = Clock::now() + timeout;
  if (state.sleep(std::min(state.next_ring, deadline), false)) return;
  std::chrono::nanoseconds look = state.watching ? std::chrono::nanoseconds::max() : kBlindLook;
  while (true) {
    const auto now = Clock::now();
    if (state.rung()) {
      state.next_ring = now + kPause;
      return;
    }
    const auto left = deadline - now;
    if (left <= std::chrono::nanoseconds(0)) return;
    // Events that come between two quick looks are taken in together: a commit makes several, and
    // whoever wakes for each takes the time from the writer.
    const bool end_at_event = state.watching && look >= kPause;
    if (state.sleep(now + std::min<std::chrono::nanoseconds>(left, look), end_at_event)) return;
    if (!state.watching) continue;
    if (state.drain_events())
      look = kFirstLook;
    else if (look < kLastLook)
      look *= 2;
    else
      look = std::chrono::nanoseconds::max();
  }
}

}  // namespace querymark::sqlite
