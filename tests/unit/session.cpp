#include <catch2/catch.hpp>

#include "unit/read_fixture.hpp"

// Under which session a query runs is its loader's to say, and no caller's to change.

namespace {

using namespace querymark;
using test::FakeLoader;
using test::ReadFixture;

class SessionLoader final : public Loader {
 public:
  SessionLoader(std::string session, std::int64_t value)
      : session_(std::move(session)), value_(value) {}
  [[nodiscard]] LoadedRows load(std::string_view /*sql*/,
                                std::span<const ParameterView> /*parameters*/) override {
    return {test::number(value_), std::nullopt, Stored::yes};
  }
  [[nodiscard]] const std::string* session() const noexcept override { return &session_; }

 private:
  std::string session_;
  std::int64_t value_;
};

}  // namespace

TEST_CASE("session: a caller's scope is added to the loader's session, and never replaces it",
          "[session]") {
  ReadFixture f;
  SessionLoader admin("admin", 99);
  const auto ask = [&](Loader& loader, const std::string& scope) {
    const Result result = Query(f.source, loader, "select n", Parameters()).scope(scope).fetch();
    return result[0]["n"].as<std::int64_t>();
  };
  for (const std::string scope : {"", "tenant", "admin"}) {
    CHECK(ask(admin, scope) == 99);
    CHECK(ask(f.loader, scope) == 1);
    CHECK(ask(admin, scope) == 99);
  }
  CHECK(f.loader.loads == 3);
  const auto prepared = [&](Loader& loader) {
    const Result result =
        Prepared<ResultSet, detail::NoMapper>(f.source, loader, "select n", {}).scope("tenant")();
    return result[0]["n"].as<std::int64_t>();
  };
  CHECK(prepared(admin) == 99);
  CHECK(prepared(f.loader) == 1);
}

TEST_CASE("session: a key intent from one session reaches the readers of another", "[session]") {
  ReadFixture f;
  SessionLoader admin("admin", 99);
  const auto ask = [&](Loader& loader) {
    return Query(f.source, loader, "select n", Parameters()).fetch().outcome().is_hit();
  };
  for (Loader* loader : {static_cast<Loader*>(&admin), static_cast<Loader*>(&f.loader)}) {
    (void)ask(*loader);
    CHECK(ask(*loader));
  }
  f.invalidate(Query(f.source, admin, "select n", Parameters()).key());
  CHECK_FALSE(ask(f.loader));
  CHECK_FALSE(ask(admin));
  f.invalidate(Query(f.source, f.loader, "select n", Parameters()).scope("x").key());
  CHECK(ask(admin));
}
