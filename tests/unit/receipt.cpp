#include "querymark/log/receipt.hpp"

#include <catch2/catch.hpp>
#include <limits>

namespace {

using namespace querymark;

Receipt sample(std::string namespace_name = "shop") {
  return {std::move(namespace_name),
          {0x0123456789abcdefULL, 0xfedcba9876543210ULL},
          {0x1f},
          {0x9c41},
          2};
}

}  // namespace

TEST_CASE("receipt: its text form is fixed", "[receipt]") {
  CHECK(sample().str() == "qm1.shop.0123456789abcdeffedcba9876543210.1f.9c41.2");
  Receipt doubtful = sample();
  doubtful.in_doubt = true;
  CHECK(doubtful.str() == "qm1.shop.0123456789abcdeffedcba9876543210.1f.9c41.2.d");
  CHECK(Receipt::parse(doubtful.str()) == doubtful);
}

TEST_CASE("receipt: its text reads back and is safe in a URL, a header and a cookie", "[receipt]") {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  for (const std::string& namespace_name :
       {std::string("shop"), std::string(), std::string("a.b%c;d=e, \"f\""), std::string("Größe"),
        std::string("\0\n\x7f", 3), std::string("a-b_C9")}) {
    for (const Receipt& receipt :
         {sample(namespace_name), Receipt{namespace_name, {}, {}, {}, 0},
          Receipt{namespace_name, {kMost, kMost}, {kMost}, {kMost}, 0xFFFFFFFFU}}) {
      const std::string text = receipt.str();
      CAPTURE(text);
      CHECK(text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789-_.%") == std::string::npos);
      CHECK(Receipt::parse(text) == receipt);
    }
  }
}

TEST_CASE("receipt: any other text is none", "[receipt]") {
  const std::string epoch = "0123456789abcdeffedcba9876543210";
  for (const std::string& text :
       {std::string(), std::string("qm1"), "qm2.shop." + epoch + ".1f.9c41.2",
        "qm1.shop." + epoch + ".1f.9c41", "qm1.shop." + epoch + ".1f.9c41.2.3",
        "qm1.shop." + epoch + ".1f.9c41.2 ", " qm1.shop." + epoch + ".1f.9c41.2",
        "qm1.shop." + epoch + "..9c41.2", "qm1.shop." + epoch + ".1g.9c41.2",
        "qm1.shop." + epoch + ".-1.9c41.2", "qm1.shop." + epoch + ".0x1f.9c41.2",
        "qm1.shop." + epoch + ".1ffffffffffffffff.9c41.2",
        "qm1.shop." + epoch + ".1f.9c41.4294967296", "qm1.sh op." + epoch + ".1f.9c41.2",
        "qm1.sh%2." + epoch + ".1f.9c41.2", "qm1.sh%zz." + epoch + ".1f.9c41.2",
        "qm1.shop." + epoch.substr(1) + ".1f.9c41.2", std::string(5000, '.')}) {
    CAPTURE(text);
    CHECK_FALSE(Receipt::parse(text));
  }
}

TEST_CASE("receipt: one receipt has one spelling", "[receipt]") {
  const std::string epoch = "0123456789abcdeffedcba9876543210";
  REQUIRE(Receipt::parse("qm1.shop." + epoch + ".1f.9c41.2"));
  CHECK_FALSE(Receipt::parse("qm1.shop." + epoch + ".01f.9c41.2"));
  CHECK_FALSE(Receipt::parse("qm1.shop." + epoch + ".1F.9c41.2"));
  CHECK_FALSE(Receipt::parse("qm1.shop." + epoch + ".1f.9c41.02"));
  CHECK_FALSE(Receipt::parse("qm1.%73hop." + epoch + ".1f.9c41.2"));
  CHECK_FALSE(Receipt::parse("qm1.shop.0123456789ABCDEFFEDCBA9876543210.1f.9c41.2"));
}

TEST_CASE("receipt: a commit in doubt carries one and says what is unknown", "[receipt]") {
  const CommitInDoubt error("the connection was lost", sample(), "08006");
  Receipt doubtful = sample();
  doubtful.in_doubt = true;
  CHECK(error.receipt() == doubtful);
  CHECK(error.outcome_unknown());
  CHECK(error.connection_lost());
  CHECK_FALSE(error.retryable());
  CHECK(error.native_code() == "08006");
}
