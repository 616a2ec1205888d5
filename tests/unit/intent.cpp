#include "querymark/log/intent.hpp"

#include <catch2/catch.hpp>

#include "querymark/support/error.hpp"

namespace {

using namespace querymark;

}  // namespace

TEST_CASE("intent batch: equal targets collapse, whatever they are called", "[intent]") {
  IntentBatch batch;
  CHECK(batch.empty());
  batch.add(entity("product", 7))
      .add(tag("product", "7"))
      .add(collection("product"))
      .add(entity("product", 7));
  CHECK(batch.size() == 2);
  batch.add(key_named("product")).add(tag("name", "product"));
  CHECK(batch.size() == 4);
  batch.add(flush_all()).add(flush_all());
  CHECK(batch.size() == 5);
  CHECK(batch.targets()[0].kind() == TargetKind::entity);
  CHECK(batch.targets()[4].is_flush());
}

TEST_CASE("intent batch: a reason is short plain text, however it is given", "[intent]") {
  CHECK(IntentBatch("price import").reason() == "price import");
  IntentBatch batch;
  batch.reason(std::string(500, 'x'));
  CHECK(batch.reason().size() == 500);
  CHECK_THROWS_AS(batch.reason(std::string(501, 'x')), ConfigError);
  CHECK_THROWS_AS(batch.reason(std::string("a\0b", 3)), ConfigError);
  CHECK_THROWS_AS(batch.reason("\xFF"), ConfigError);
  CHECK(batch.reason().size() == 500);
  CHECK_THROWS_AS(IntentBatch(std::string(501, 'x')), ConfigError);
}
