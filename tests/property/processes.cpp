#include <catch2/catch.hpp>

#include "property/process_reads.hpp"

// Some processes over one database, with replicas, and over the same shared tiers, each with the real read
// path, subscriber, marks and own writes. Reads go on step by step, many at a time, under whatever policy;
// tiers lose values, bring back old ones, or are older than they were; logs can't be reached, are pruned, and
// begin anew after a crash, when positions are given out again; processes start anew; answers to commits are lost;
// definitions change under tags that nobody declares. The property: what a
// read comes to includes, by its status,
//
//   outdated         what was committed max_lag and its policy's window before, and all before the marks
//                    were last restarted
//   degraded         what the process had applied when the read began, and its own acknowledged writes
//   any other        that, and what was committed max_lag before the read began,
//                    and what some wait for the whole cluster had told to be applied everywhere
//   of who demands   what was committed before (strong), the write (at_least); and it is none of the former
//   of a user        what the user has written, wherever; and what was seen in other processes, if reads are
//                    not to go back
//
// and is no older than its ttl, and that of its rows, says, or what the policy allows past that; and what is not
// to be kept nobody finds.

using namespace querymark;
using test::Choices;
using test::ReadingWorld;
using test::Tally;

TEST_CASE("processes: whatever becomes of log, tiers and readers, a read includes what it is owed",
          "[processes]") {
  Tally tally;
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + Choices::worlds(200); ++seed) {
    ReadingWorld(seed, {}, tally).run(2000);
    INFO("QUERYMARK_SEED=" << seed << ": not true that " << tally.rule);
    REQUIRE(tally.wrong == 0);
  }
  // And all of it happens.
  CHECK(tally.served[ReadStatus::hit] > 100);
  CHECK(tally.served[ReadStatus::joined] > 30);
  CHECK(tally.served[ReadStatus::stale] > 0);
  CHECK(tally.served[ReadStatus::outdated] > 0);
  CHECK(tally.served[ReadStatus::degraded] > 0);
  CHECK(tally.shared > 30);
  CHECK(tally.replica > 30);
  CHECK(tally.many > 30);
  CHECK(tally.demanded > 30);
  CHECK(tally.own > 30);
  CHECK(tally.users > 100);
  CHECK(tally.absent > 0);
  CHECK(tally.everywhere > 20);
  CHECK(tally.reaped > 3);
  CHECK(tally.doubts > 30);
  CHECK(tally.defined > 30);
  CHECK(tally.automatic > 100);
  CHECK(tally.epochs > 10);
}

TEST_CASE("processes: writes that forget what they make stale are found out", "[processes]") {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 100 && tally.wrong == 0; ++seed)
    ReadingWorld(seed, {.forgets = true}, tally).run(2000);
  CHECK(tally.wrong > 0);
}
