// What is taken for a connection string, and what is said of one that can't be read.

#include <catch2/catch.hpp>

#include "connect_string.hpp"
#include "querymark/postgres/url.hpp"
#include "support/errors.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using postgres::label_of;

namespace {

std::string said(const std::string& url) {
  return message_of([&] { static_cast<void>(label_of(url)); });
}

}  // namespace

TEST_CASE("postgres urls: a keyword string begins with the name of an option", "[postgres]") {
  for (const char* text : {"postgresql://host/db", "postgres://", "host=x", " dbname = shop",
                           "password=a port=1", "service=s"})
    CHECK(postgres::is_connection_string(text));
  for (const char* text : {"", "shop.db", "sqlite:x", "host", "hostess=x", "=x", "./host=x",
                           "POSTGRESQL://x", "file?mode=ro"})
    CHECK_FALSE(postgres::is_connection_string(text));
}

TEST_CASE("postgres urls: people are shown where it leads and no password", "[postgres]") {
  CHECK(label_of("postgresql://me:sesame@db:5433/shop") == "postgresql://me@db:5433/shop");
  CHECK(label_of("host=db user=me password='se same' dbname=shop") == "postgresql://me@db/shop");
  CHECK(label_of("postgresql://me:%73esame@a:1,b:2/shop?sslpassword=sesame") ==
        "postgresql://me@a,b:1,2/shop");
  CHECK(label_of("postgresql://[::1]:5432/shop?user=me@server") ==
        "postgresql://me@server@::1:5432/shop");
  CHECK(label_of("postgresql://me:s#e?s:a=me&@h/shop") == "postgresql://me@h/shop");
  const postgres::ConnectString url =
      postgres::parse_url("postgresql://me:%73esame@h/shop?sslpassword=other", {});
  CHECK(url.scrub("a sesame and an other") == "a *** and an ***");
}

TEST_CASE("postgres urls: a peer that is gone is noticed by keepalives, as often as the URL says",
          "[postgres]") {
  CHECK_THAT(postgres::parse_url("postgresql://h/shop", {}).keywords,
             Contains("keepalives_idle='60'") && Contains("keepalives_interval='10'") &&
                 Contains("keepalives_count='3'"));
  CHECK_THAT(postgres::parse_url("postgresql://h/shop?keepalives_idle=7", {}).keywords,
             Contains("keepalives_idle='7'") && !Contains("'60'"));
}

TEST_CASE("postgres urls: an option without a value is as good as none", "[postgres]") {
  const auto keywords = [](const char* url) {
    return postgres::parse_url(url, std::chrono::seconds(3)).keywords;
  };
  CHECK(keywords("host=h connect_timeout='' keepalives_count = ") == keywords("host=h"));
  CHECK(keywords("postgresql://h/?keepalives_count=&fallback_application_name=") ==
        keywords("host=h"));
}

TEST_CASE("postgres urls: an option that libpq does not know is named", "[postgres]") {
  CHECK_THAT(said("postgresql://h/shop?foo=bar"), Contains("does not know: foo;"));
  CHECK_THAT(said("postgresql://me:sesame@h/shop?sslmode=require&search_path=x"),
             Contains("does not know: search_path;") && Contains("options=-c%20NAME%3DVALUE") &&
                 !Contains("sesame"));
  CHECK_THAT(said("host=h password='se \\' same' foo=bar"),
             Contains("does not know: foo;") && !Contains("same"));
  CHECK(said("postgresql://h/shop?ssl=true&options=-c%20a.b%3Dc@d") == "nothing was thrown");
}

TEST_CASE("postgres urls: part of a password is never taken for a host, a port or an option",
          "[postgres]") {
  for (const char* url : {"postgresql://me:ses@me@h/shop", "postgresql://me:s/esame@h/shop",
                          "postgresql://me:s@esa/mesame@h/shop", "postgresql://me:1/x?esame@h/shop",
                          "postgresql://me:sesame/shop", "postgresql://me:s?esame=1@h?foo=bar",
                          "postgresql://me:%zzsesame@h/shop", "postgresql://me:sesame@[h/shop",
                          "host=h password=two words sesame", "host=h password='sesame", "sesame",
                          "host=h port=sesame"}) {
    CAPTURE(url);
    const std::string text = said(url);
    CHECK(text != "nothing was thrown");
    CHECK_THAT(text, !Contains("esame"));
  }
  CHECK_THAT(said("postgresql://me:ses@me@h/shop"), Contains("%40"));
  CHECK_THAT(said(std::string("postgresql://h/s\0hop", 21)), Contains("NUL"));
}
