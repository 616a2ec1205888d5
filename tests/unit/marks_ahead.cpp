#include <catch2/catch.hpp>

#include "querymark/mark/marks.hpp"

// Own writes that are applied as a whole before the log has shown them.

namespace {

using namespace querymark;

const Epoch kEpoch{1, 1};
const TargetId kA = tag("a").id();
const TargetId kB = tag("b").id();

struct Fixture {
  Marks marks{4096};
  Fixture() { marks.restart({kEpoch, Snapshot::upto({10}), {}}); }

  void apply_whole(std::uint64_t position, Epoch epoch = kEpoch) {
    const MarkUpdate update{kA, {position}};
    marks.apply_own(epoch, {&update, 1}, Position{position});
  }
  void read_log(const Snapshot& upto) { marks.apply_log({}, {kEpoch, upto, {}}); }
};

}  // namespace

TEST_CASE("marks: an own write that is applied as a whole is included, ahead of the cursor",
          "[marks]") {
  Fixture f;
  CHECK_FALSE(f.marks.own_ahead());
  f.apply_whole(14);
  CHECK(f.marks.own_ahead());
  CHECK(f.marks.includes(kEpoch, {14}));
  CHECK_FALSE(f.marks.includes(kEpoch, {13}));
  CHECK_FALSE(f.marks.includes({2, 2}, {14}));
  CHECK_FALSE(f.marks.includes_all(kEpoch, {14}));
  CHECK(f.marks.begin_load().shared.horizon == Position{11});  // no cursor has moved
  f.read_log({{12}, {16}, {{12}, {14}}});                      // taken before it committed
  CHECK(f.marks.own_ahead());
  CHECK(f.marks.includes(kEpoch, {14}));
  f.read_log({{12}, {16}, {{12}}});
  CHECK_FALSE(f.marks.own_ahead());
  CHECK(f.marks.includes(kEpoch, {14}));
}

TEST_CASE("marks: of two own writes ahead of the cursor each leaves when the cursor covers it",
          "[marks]") {
  Fixture f;
  f.apply_whole(14);
  f.apply_whole(12);
  f.read_log({{12}, {16}, {{12}}});  // the later one only
  CHECK(f.marks.own_ahead());
  CHECK(f.marks.includes(kEpoch, {12}));
  f.read_log(Snapshot::upto({15}));
  CHECK_FALSE(f.marks.own_ahead());
}

TEST_CASE("marks: what is known in part, of another epoch or behind the cursor is not ahead",
          "[marks]") {
  Fixture f;
  const MarkUpdate update{kB, {14}};
  f.marks.apply_own(kEpoch, {&update, 1});
  CHECK_FALSE(f.marks.own_ahead());
  CHECK_FALSE(f.marks.includes(kEpoch, {14}));
  f.apply_whole(15, {2, 2});
  f.apply_whole(9);
  CHECK_FALSE(f.marks.own_ahead());
}

TEST_CASE("marks: a restart forgets what was ahead: positions may be handed out again", "[marks]") {
  Fixture f;
  f.apply_whole(14);
  f.marks.restart({kEpoch, Snapshot::upto({11}), {}});
  CHECK_FALSE(f.marks.own_ahead());
  CHECK_FALSE(f.marks.includes(kEpoch, {14}));
}
