#include "soak/ledger.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

namespace querymark::test::soak {
namespace {

constexpr std::size_t kVersions = 1024;  // of each row, whose times are known
constexpr std::int64_t kUnknown = 16;    // so many versions in a row were acknowledged by nobody
constexpr std::size_t kTallies = 128;
constexpr std::size_t kFindings = 100;

// When a version was acknowledged. The time is stored first, so what belongs to another version is later than
// the right one, if anything: it makes a read look fresher.
struct Acknowledged {
  std::atomic<std::int64_t> version{0};
  std::atomic<Instant::rep> at{0};
};

// Taken for the moment in which it is written or copied; of who is killed in it, for good.
struct Place {
  mutable std::atomic<bool> taken{false};
  std::array<char, 200> receipt{};
  std::int64_t id = 0;
  std::int64_t version = 0;
};

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

int opened(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (file < 0) fail("can't open " + path);
  return file;
}

}  // namespace

struct Ledger::Pages {
  Floors acknowledged;
  Floors spread;
  std::array<std::array<std::array<Acknowledged, kVersions>, kIds>, kTables> times{};
  std::array<Place, kPlacesOfReceipts> places{};
  std::atomic<std::size_t> named{0};
  std::array<Tally, kTallies> tallies{};
  std::atomic<std::uint64_t> findings{0};
  std::array<OneText<300>, kFindings> first_findings{};
  std::atomic<bool> over{false};
};

Ledger Ledger::create(const std::string& path) {
  const int file = opened(path, O_RDWR | O_CREAT | O_TRUNC);
  if (::ftruncate(file, sizeof(Pages)) != 0) fail("can't make " + path + " large enough");
  return Ledger(file);  // zeros are a ledger in which nothing stands
}

Ledger::Ledger(const std::string& path) : Ledger(opened(path, O_RDWR)) {}

Ledger::Ledger(int file) : file_(file) {
  void* const where = ::mmap(nullptr, sizeof(Pages), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (where == MAP_FAILED) fail("can't map the ledger");
  pages_ = static_cast<Pages*>(where);
}

Ledger::~Ledger() {
  ::munmap(pages_, sizeof(Pages));
  ::close(file_);
}

void Ledger::acknowledge(Table table, std::int64_t id, std::int64_t version) {
  Acknowledged& place = pages_->times[static_cast<std::size_t>(table)][static_cast<std::size_t>(id)]
                                     [static_cast<std::size_t>(version) % kVersions];
  place.at = std::chrono::steady_clock::now().time_since_epoch().count();
  place.version = version;
  pages_->acknowledged.raise(table, id, version);
}

const Floors& Ledger::acknowledged() const { return pages_->acknowledged; }

std::optional<Instant> Ledger::passed(Table table, std::int64_t id, std::int64_t version) const {
  const auto& times = pages_->times[static_cast<std::size_t>(table)][static_cast<std::size_t>(id)];
  const std::int64_t newest = acknowledged().of(table, id);
  for (std::int64_t next = version + 1; next <= std::min(newest, version + kUnknown); ++next) {
    const Acknowledged& place = times[static_cast<std::size_t>(next) % kVersions];
    if (place.version != next)
      continue;  // of a commit in doubt, or of a write not yet acknowledged
    const Instant at{Instant::duration{place.at}};
    if (place.version == next) return at;
  }
  return std::nullopt;
}

void Ledger::spread(Table table, std::int64_t id, std::int64_t version) {
  pages_->spread.raise(table, id, version);
}

const Floors& Ledger::spread() const { return pages_->spread; }

void Ledger::leave(std::size_t place, const LeftReceipt& left) {
  Place& here = pages_->places[place % kPlacesOfReceipts];
  if (left.receipt.size() >= here.receipt.size() || here.taken.exchange(true)) return;
  here.receipt.fill('\0');
  left.receipt.copy(here.receipt.data(), left.receipt.size());
  here.id = left.id;
  here.version = left.version;
  here.taken = false;
}

std::optional<LeftReceipt> Ledger::left(std::size_t place) const {
  const Place& here = pages_->places[place % kPlacesOfReceipts];
  if (here.taken.exchange(true)) return std::nullopt;
  LeftReceipt left{.receipt = here.receipt.data(), .id = here.id, .version = here.version};
  here.taken = false;
  if (left.receipt.empty()) return std::nullopt;
  return left;
}

Tally& Ledger::tally(std::string_view name) {
  // One process at a time; the kernel lets go of the lock of who is killed. Threads have their own descriptor's
  // lock in common, so one adds names before others are started.
  ::flock(file_, LOCK_EX);
  std::size_t at = 0;
  while (at < pages_->named && pages_->tallies[at].name.data() != name) ++at;
  if (at == kTallies || name.size() >= pages_->tallies[at].name.size()) {
    ::flock(file_, LOCK_UN);
    throw std::logic_error("a tally too many, or its name is too long: " + std::string(name));
  }
  if (at == pages_->named) {
    name.copy(pages_->tallies[at].name.data(), name.size());
    ++pages_->named;
  }
  ::flock(file_, LOCK_UN);
  return pages_->tallies[at];
}

std::span<const Tally> Ledger::tallies() const {
  return std::span<const Tally>(pages_->tallies).first(pages_->named);
}

void Ledger::found(std::string_view what) {
  const std::uint64_t number = pages_->findings++;
  if (number < kFindings) pages_->first_findings[number].put(what);
}

std::uint64_t Ledger::findings() const { return pages_->findings; }

std::vector<std::string> Ledger::first_findings() const {
  std::vector<std::string> texts;
  texts.reserve(kFindings);
  for (const OneText<300>& text : pages_->first_findings)
    if (std::string finding = text.str(); !finding.empty()) texts.push_back(std::move(finding));
  return texts;
}

void Ledger::end() { pages_->over = true; }

bool Ledger::over() const { return pages_->over; }

}  // namespace querymark::test::soak
