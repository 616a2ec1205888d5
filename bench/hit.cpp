#include <cstdio>
#include <memory>

#include "rounds.hpp"
#include "sqlite_item.hpp"

// 100,000 items resident, Zipf 0.99, every request a hit. Subjects take turns, run after run, so
// that a busy neighbour hits them alike.

namespace querymark::bench {
namespace {

constexpr std::uint32_t kItems = 100'000;
constexpr std::size_t kBatch = 400'000;
constexpr std::size_t kMemory = 256U << 20U;

struct Named {
  std::string name;
  std::unique_ptr<Subject> subject;
};

void fill(Subject& subject) {
  for (std::uint32_t number = 0; number < kItems; ++number) subject.fill({key_of(number), number});
}

std::vector<Named> subjects(const Options& options, Report& report, const ItemFile& file,
                            const ItemFile& written) {
  std::vector<Named> all;
  if (options.wants("querymark"))
    all.push_back({"querymark", std::make_unique<QuerymarkSubject>(file, kMemory, 0)});
  if (options.wants("querymark_many"))
    all.push_back({"querymark_many", std::make_unique<QuerymarkSubject>(
                                         file, kMemory, 0, QuerymarkSubject::Calls::many)});
  if (options.wants("querymark_under_writes"))
    all.push_back(
        {"querymark_under_writes", std::make_unique<QuerymarkSubject>(written, kMemory, 1000)});
  for (const PeerFactory& peer : all_peers()) {
    if (!options.wants(peer.name)) continue;
    if (!peer.make) {
      report.absent("hit", peer.name, peer.package);
      continue;
    }
    // Room to spare: HyperClockCache's clock evicts before it is full.
    all.push_back({std::string(peer.name), peer.make(kItems * (peer.evicts ? 2 : 1))});
  }
  for (Named& named : all) fill(*named.subject);
  return all;
}

// A peer that is slow for a reason of its own would make anybody look good.
void check_peers(const Report& report) {
  const Figure* floor = report.find("hit", "floor_inline_key");
  const Figure* rival = report.find("hit", "rocksdb_hyper_clock");
  if (floor == nullptr || rival == nullptr) return;
  const double ratio = floor->median() / rival->median();
  if (ratio < 0.25 || ratio > 0.5)
    std::fprintf(stderr,
                 "DON'T TRUST THE PEERS OF THIS RUN: floor_inline_key is %.2f of "
                 "rocksdb_hyper_clock, expected 0.25 to 0.5\n",
                 ratio);
}

// The median of several passes that take turns: one tail alone says more of the neighbours.
void add_p99(const std::vector<Named>& all, std::span<const Request> requests,
             std::vector<Figure>& figures) {
  constexpr std::size_t kPasses = 5;
  std::vector<Figure> tails(all.size());
  for (std::size_t pass = 0; pass < kPasses; ++pass)
    for (std::size_t s = 0; s < all.size(); ++s) {
      all[s].subject->begin();
      tails[s].runs.push_back(p99_of_single(*all[s].subject, requests));
      all[s].subject->end();
    }
  for (std::size_t s = 0; s < all.size(); ++s) figures[s].more["p99"] = tails[s].median();
}

}  // namespace

void bench_hit(const Options& options, Report& report) {
  const ItemFile file(kItems);
  const ItemFile written(kItems);  // of its own: every database that shares a file follows its log
  const std::vector<Named> all = subjects(options, report, file, written);
  const std::vector<std::vector<Request>> batches{zipf_requests(kBatch, kItems, 1),
                                                  zipf_requests(kBatch, kItems, 2)};
  for (std::size_t threads = 1; threads <= 2; ++threads) {
    std::vector<Figure> figures;
    for (const Named& named : all)
      figures.push_back({.bench = "hit", .subject = named.name, .threads = threads, .unit = "ns"});
    std::vector<std::uint64_t> missed(all.size());
    for (std::size_t run = 0; run <= options.runs; ++run)
      for (std::size_t s = 0; s < all.size(); ++s) {
        const double ns = time_threads(*all[s].subject, batches, threads, false, &missed[s]);
        if (run > 0) figures[s].runs.push_back(ns);  // the first warms up
      }
    if (threads == 1) add_p99(all, std::span(batches[0]).first(kBatch / 2), figures);
    for (std::size_t s = 0; s < all.size(); ++s) {
      if (missed[s] > 0) figures[s].more["missed"] = static_cast<double>(missed[s]);
      report.add(std::move(figures[s]));
    }
  }
  check_peers(report);
}

void bench_hit_one_key(const Options& options, Report& report) {
  const ItemFile file(10);
  QuerymarkSubject subject(file, kMemory, 0);
  const Request one{key_of(3), 3};
  subject.fill(one);
  const std::vector<std::vector<Request>> batches(2, std::vector<Request>(kBatch * 2, one));
  for (std::size_t threads = 1; threads <= 2; ++threads) {
    Figure figure{.bench = "hit_one_key",
                  .subject = "querymark_" + std::to_string(threads),
                  .threads = threads,
                  .unit = "ns"};
    for (std::size_t run = 0; run <= options.runs; ++run) {
      const double ns = time_threads(subject, batches, threads, false);
      if (run > 0) figure.runs.push_back(ns);
    }
    report.add(std::move(figure));
  }
}

void serve_hits(const std::string& name, std::size_t count) {
  constexpr std::uint32_t kFew = 1000;
  const std::vector<Request> requests = zipf_requests(count, kFew, 1);
  std::unique_ptr<ItemFile> file;
  std::unique_ptr<Subject> subject;
  if (name == "querymark") {
    file = std::make_unique<ItemFile>(kFew);
    subject = std::make_unique<QuerymarkSubject>(*file, kMemory, 0);
  }
  for (const PeerFactory& peer : all_peers())
    if (peer.name == name && peer.make) subject = peer.make(kFew * 2);
  if (!subject) throw std::runtime_error("no subject " + name);
  for (std::uint32_t number = 0; number < kFew; ++number) subject->fill({key_of(number), number});
  use(subject->serve(requests, false));
}

}  // namespace querymark::bench
