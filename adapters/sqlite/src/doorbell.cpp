#include "querymark/sqlite/doorbell.hpp"

#include <poll.h>
#include <sqlite3.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "connection.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/wake_event.hpp"
#include "subscriber_file.hpp"

// One thread waits. It sleeps in poll(2) on two descriptors: inotify on the database and its WAL,
// and an eventfd that interrupt() writes. The idle connection belongs to the waiting thread.
//
// Watched are the files that SQLite has opened, by the names that it resolved, not the folder: what
// else is written there is nobody's business. The idle connection keeps the WAL in being. Where
// there is none, in another journal mode, each commit writes the database file itself, and so does
// the switch to WAL. Unlinking or renaming one of them is an event, too, and so is the name's next
// look: then the watches are set anew.
//
// A write to the WAL is seen before the commit is visible: SQLite writes frames, syncs, and only
// then publishes the commit in shared memory, which no notification reports. So after an event
// data_version is looked at again and again, with growing pauses, until it moves or the event is
// old: a sync may take seconds on a busy disk.
//
// Two rings are kPause apart at least: under a stream of commits each ring then stands for several,
// and the writer, who shares SQLite's locks and perhaps the core, gets on.

namespace querymark::sqlite {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::microseconds kFirstLook{30};
constexpr std::chrono::milliseconds kLastLook{50};
constexpr std::chrono::seconds kOld{10};
constexpr std::chrono::milliseconds kBlindLook{1};
constexpr std::chrono::microseconds kPause{200};

}  // namespace

struct FileDoorbell::State {
  explicit State(const std::string& db_path)
      : path(path_of(db_path)), inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    open();
  }

  void open() {
    connection.reset();
    connection = std::make_unique<Connection>(path, Connection::Use::read, Connection::Settings{});
    seen = version();
    set_watches();
    // From now on whoever has the file to himself is not waited for: another look comes.
    connection->set_busy_timeout(std::chrono::milliseconds(0));
  }

  // Watches what the name leads to now; false when there is something that can't be watched. Where
  // there is nothing, what was there goes on being watched: whoever has it open may still write it.
  bool watch(const std::string& name, int& descriptor) {
    const int now = ::inotify_add_watch(inotify.get(), name.c_str(),
                                        IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF);
    if (now < 0) return errno == ENOENT || descriptor >= 0;
    if (descriptor >= 0 && descriptor != now) ::inotify_rm_watch(inotify.get(), descriptor);
    descriptor = now;
    return true;
  }

  void set_watches() {
    // As SQLite has resolved it, all symbolic links followed.
    const char* name = sqlite3_db_filename(connection->native().getHandle(), "main");
    const std::string file = name != nullptr ? name : path;
    const bool database = watch(file, database_watch);
    const bool wal = watch(file + "-wal", wal_watch);
    // Its attributes alone: somebody asks for a report. Heartbeats change its content.
    const std::string subscribers = file + std::string(kSubscriberSuffix);
    subscribers_watch = ::inotify_add_watch(inotify.get(), subscribers.c_str(), IN_ATTRIB);
    watching = database && database_watch >= 0 && wal;
    watches_stale = false;
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
      looks.fetch_add(1, std::memory_order_relaxed);
      const auto file = identity_of(path);
      if (!file) return false;  // in the middle of a replacement
      if (!connection || *file != connection->identity() || connection->moved()) {
        open();
        return true;
      }
      const std::int64_t now = version();
      if (watches_stale || wal_watch < 0 || subscribers_watch < 0) set_watches();
      return std::exchange(seen, now) != now;
    } catch (const Error& failure) {
      if (!failure.retryable()) connection.reset();
      return false;
    }
  }

  // Empties the inotify queue; true when there was anything in it.
  bool drain_events() {
    bool any = false;
    alignas(inotify_event) std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t size = ::read(inotify.get(), buffer.data(), buffer.size());
      if (size <= 0) return any;
      any = true;
      for (ssize_t at = 0; at < size;) {
        inotify_event event{};
        std::memcpy(&event, buffer.data() + at, sizeof(event));
        if ((event.mask & IN_IGNORED) != 0) {  // the file is gone for good
          if (event.wd == database_watch) database_watch = -1;
          if (event.wd == wal_watch) wal_watch = -1;
          if (event.wd == subscribers_watch) subscribers_watch = -1;
        } else if (event.wd == subscribers_watch) {
          report_asked = true;
        }
        watches_stale = watches_stale || event.mask != IN_MODIFY;
        at += static_cast<ssize_t>(sizeof(event) + event.len);
      }
    }
  }

  // True when interrupted. Ends early also for an event of the watch, if asked to.
  bool sleep(Clock::time_point until, bool end_at_event) {
    const auto pause = until - Clock::now();
    if (pause <= Clock::duration::zero()) return wake.take();
    std::array<pollfd, 2> fds{{{wake.fd(), POLLIN, 0}, {inotify.get(), POLLIN, 0}}};
    const timespec limit{.tv_sec = pause.count() / 1'000'000'000,
                         .tv_nsec = pause.count() % 1'000'000'000};
    ::ppoll(fds.data(), end_at_event ? 2 : 1, &limit, nullptr);
    return wake.take();
  }

  std::string path;
  WakeEvent wake;
  Descriptor inotify;
  int database_watch = -1;
  int wal_watch = -1;
  int subscribers_watch = -1;
  bool report_asked = false;
  bool watches_stale = false;
  std::atomic<bool> watching{false};
  std::atomic<std::uint64_t> looks{0};
  std::unique_ptr<Connection> connection;
  std::int64_t seen = 0;
  Clock::time_point next_ring{};  // not before
};

FileDoorbell::FileDoorbell(const std::string& path) : state_(std::make_unique<State>(path)) {}

FileDoorbell::~FileDoorbell() = default;

bool FileDoorbell::watches_file() const noexcept { return state_->watching; }

std::uint64_t FileDoorbell::looks() const noexcept { return state_->looks; }

bool FileDoorbell::report_asked() { return std::exchange(state_->report_asked, false); }

void FileDoorbell::interrupt() { state_->wake.set(); }

void FileDoorbell::wait(std::chrono::nanoseconds timeout) {
  State& state = *state_;
  ::prctl(PR_SET_TIMERSLACK, 1000UL);  // nanoseconds: the default is longer than the first look
  const auto deadline = Clock::now() + timeout;
  if (state.sleep(std::min(state.next_ring, deadline), false)) return;
  std::chrono::nanoseconds look = std::chrono::nanoseconds::max();
  Clock::time_point event{};  // the last one
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
    if (!state.watching) look = kBlindLook;
    if (state.sleep(now + std::min<std::chrono::nanoseconds>(left, look), end_at_event)) return;
    if (state.drain_events()) {
      if (state.report_asked) return;
      look = kFirstLook;
      event = Clock::now();
    } else if (look < kLastLook) {
      look *= 2;
    } else if (now - event > kOld) {
      look = std::chrono::nanoseconds::max();
    }
  }
}

}  // namespace querymark::sqlite
