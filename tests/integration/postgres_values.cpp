#include <boost/multiprecision/cpp_dec_float.hpp>
#include <catch2/catch.hpp>
#include <limits>
#include <pqxx/strconv>
#include <pqxx/version>
#include <stdexcept>

#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using std::optional;
using std::vector;

namespace {

enum class Size : short { small = 1, large = 2 };

// A type that only libpqxx's traits know; an empty one is NULL.
struct Isbn {
  std::string digits;
  friend bool operator==(const Isbn&, const Isbn&) = default;
};

// Exact where a double is not.
using Decimal = boost::multiprecision::cpp_dec_float_50;

struct Book {
  Isbn isbn;
  Size size;
  optional<Isbn> successor;
  vector<std::string> authors;
  vector<optional<double>> ratings;
  vector<std::byte> cover;
  Decimal price;
};

std::string digits_of(std::string_view text) {
  if (text.find_first_not_of("0123456789-") != text.npos)
    throw std::invalid_argument("not an ISBN");
  return std::string(text);
}

}  // namespace

namespace pqxx {

PQXX_DECLARE_ENUM_CONVERSION(Size);

#if PQXX_VERSION_MAJOR >= 7
template <>
struct nullness<Isbn> {
  static constexpr bool has_null = true;
  static constexpr bool always_null = false;
  static bool is_null(const Isbn& isbn) { return isbn.digits.empty(); }
  static Isbn null() { return {}; }
};
template <>
struct string_traits<Isbn> {
  static Isbn from_string(std::string_view text) { return {digits_of(text)}; }
  static zview to_buf(char* begin, char* end, const Isbn& isbn) {
    return string_traits<std::string>::to_buf(begin, end, isbn.digits);
  }
  static char* into_buf(char* begin, char* end, const Isbn& isbn) {
    return string_traits<std::string>::into_buf(begin, end, isbn.digits);
  }
  static std::size_t size_buffer(const Isbn& isbn) noexcept { return isbn.digits.size() + 1; }
};
#else
template <>
struct string_traits<Isbn> {
  static constexpr const char* name() noexcept { return "Isbn"; }
  static constexpr bool has_null() noexcept { return true; }
  static bool is_null(const Isbn& isbn) { return isbn.digits.empty(); }
  static Isbn null() { return {}; }
  static void from_string(const char text[], Isbn& isbn) { isbn.digits = digits_of(text); }
  static std::string to_string(const Isbn& isbn) { return isbn.digits; }
};
#endif

}  // namespace pqxx

template <>
struct querymark::FieldTraits<Decimal> {
  static Decimal read(const Field& field) { return Decimal(field.as<std::string>()); }
};

namespace {

// `select $1::<type>`, through key, wire and cell and back.
template <class Back, class T>
Back round_trip(PgProcess& process, const std::string& type, const T& value) {
  const Result result = process.db.query("select $1::" + type, value).fetch();
  return result[0][0].template as<Back>();
}

template <class T>
T same(PgProcess& process, const std::string& type, const T& value) {
  return round_trip<T>(process, type, value);
}

}  // namespace

TEST_CASE("postgres values: arrays go round, whatever their elements hold", "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  const vector<std::int64_t> numbers{1, -7, std::numeric_limits<std::int64_t>::min()};
  CHECK(same(process, "bigint[]", numbers) == numbers);
  CHECK(round_trip<vector<short>>(process, "smallint[]", vector<int>{3, -3}) ==
        vector<short>{3, -3});
  const vector<std::string> texts{
      "",         "plain", "NULL", "null",   "a,b",
      "a;b",      "{x}",   "a\"b", "a\\b",   "'",
      " spaced ", "\n\t",  "\\\"", "$1 %s ", "Gr\xC3\xBC\xC3\x9F \xE4\xB8\x96\xF0\x9F\xA7\xAA"};
  CHECK(same(process, "text[]", texts) == texts);
  const vector<bool> flags{true, false, true};
  CHECK(same(process, "boolean[]", flags) == flags);
  const vector<double> doubles{0.1, -0.0, 1e300, std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity()};
  CHECK(same(process, "float8[]", doubles) == doubles);
  const vector<Bytes> bytes{{""}, {std::string("\0\\\"{},\xFF", 7)}};
  CHECK(same(process, "bytea[]", bytes) == bytes);
  const vector<optional<std::string>> holes{std::nullopt, "", "NULL", std::nullopt};
  CHECK(same(process, "text[]", holes) == holes);
  const vector<optional<int>> none{std::nullopt};
  CHECK(same(process, "integer[]", none) == none);
  CHECK(same(process, "text[]", vector<std::string>()).empty());
  CHECK(round_trip<vector<std::string>>(process, "date[]", vector<const char*>{"2026-02-28"}) ==
        vector<std::string>{"2026-02-28"});
  CHECK(round_trip<vector<std::string>>(process, "numeric[]", vector<std::string>{"1.10"}) ==
        vector<std::string>{"1.10"});
  CHECK(round_trip<vector<double>>(process, "numeric[]", vector<std::string>{"1.25"}) ==
        vector<double>{1.25});
  const vector<std::string> boxes{"(3,4),(1,2)", "(1,1),(0,0)"};  // parted by semicolons
  const Result shapes = process.db.query("select array[box '1,2,3,4', box '0,0,1,1']").fetch();
  CHECK(shapes[0][0].as<vector<std::string>>() == boxes);
}

TEST_CASE("postgres values: an array finds its type in `= any($1)`", "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  const auto names = [&](const std::string& where, const auto& value) {
    const Rows<std::string> rows =
        process.db.query("select name from product where " + where + " order by id", value)
            .template fetch_as<std::string>();
    return vector<std::string>(rows.begin(), rows.end());
  };
  CHECK(names("id = any($1)", vector<std::int64_t>{3, 1}) == vector<std::string>{"tea", "pot"});
  CHECK(names("name = any($1)", vector<std::string>{"cup", "none"}) == vector<std::string>{"cup"});
  CHECK(names("price = any($1)", vector<double>{2.5, 30}) == vector<std::string>{"tea", "pot"});
  CHECK(names("id = any($1)", vector<int>()).empty());
  CHECK(names("id = any($1)", vector<optional<int>>{std::nullopt, 2}) ==
        vector<std::string>{"cup"});
  auto prepared = process.db.prepare<std::string>("select name from product where id = any($1)");
  CHECK(only(prepared(vector<int>{2})) == "cup");
  CHECK(prepared(vector<int>{2}).outcome().is_hit());
  const auto changed = process.db.write([](postgres::Transaction& tx) {
    const ResultSet two =
        tx.query("select count(*) from product where id = any($1)", vector<int>{1, 2});
    CHECK(two[0][0].as<int>() == 2);
    return tx.execute("update product set note = $2 where id = any($1)", vector<int>{1, 2},
                      optional<std::string>());
  });
  CHECK(changed.value == 2);
}

TEST_CASE(
    "postgres values: NULL, '', the empty array and equal looking arrays have keys of their own",
    "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  const auto key = [&](const auto& value) { return process.db.query("select $1", value).key(); };
  const vector<Target> keys{key(nullptr),
                            key(""),
                            key("{}"),
                            key(vector<int>()),
                            key("{1}"),
                            key(vector<int>{1}),
                            key(vector<double>{1}),
                            key(vector<std::string>{"1"}),
                            key(vector<Bytes>{{"1"}}),
                            key(Bytes{"{1}"}),
                            key(vector<optional<int>>{std::nullopt}),
                            key(vector<std::string>{"NULL"}),
                            key(vector<std::string>{"a", "b"}),
                            key(vector<std::string>{"a,b"}),
                            key(vector<std::string>{"a\",\"b"})};
  for (std::size_t a = 0; a < keys.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      CAPTURE(a, b);
      CHECK_FALSE(keys[a] == keys[b]);
    }
  CHECK(key(vector<int>{1}) == key(vector<std::int64_t>{1}));
  CHECK(key(vector<std::string>{"a"}) == key(vector<const char*>{"a"}));
  CHECK(key(optional<vector<int>>()) == key(nullptr));
}

TEST_CASE("postgres values: types that libpqxx converts are parameters, cells and members",
          "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  CHECK(same(process, "text", Isbn{"3-16-148410-0"}) == Isbn{"3-16-148410-0"});
  CHECK(round_trip<optional<std::string>>(process, "text", Isbn{}) == std::nullopt);
  CHECK(same(process, "integer", Size::large) == Size::large);
  const vector<Isbn> several{{"1"}, {"2-2"}};
  CHECK(same(process, "text[]", several) == several);
  CHECK(round_trip<vector<optional<std::string>>>(process, "text[]", vector<Isbn>{{"1"}, {}}) ==
        vector<optional<std::string>>{"1", std::nullopt});

  shop.execute(
      "create table book (isbn text, size smallint, successor text, authors text[], ratings "
      "float4[], "
      "cover bytea, price numeric)");
  const vector<std::byte> cover{std::byte{0}, std::byte{'\\'}, std::byte{0xFF}};
  process.db.write([&](postgres::Transaction& tx) {
    tx.execute("insert into book values ($1, $2, $3, $4, $5, $6, $7)", Isbn{"1-2"}, Size::small,
               optional<Isbn>(), vector<std::string>{"O'Neil \"x\"", ""},
               vector<optional<double>>{4.5, std::nullopt}, cover, "0.1000000000000000000001");
    tx.invalidate(collection("book"));
  });
  auto books = process.db.prepare<Book>(
      "select isbn, size, successor, authors, ratings, cover, price from book where isbn = $1");
  const Rows<Book> found = books(Isbn{"1-2"});
  REQUIRE(found.size() == 1);
  CHECK(found->isbn == Isbn{"1-2"});
  CHECK(found->size == Size::small);
  CHECK_FALSE(found->successor.has_value());
  CHECK(found->authors == vector<std::string>{"O'Neil \"x\"", ""});
  CHECK(found->ratings == vector<optional<double>>{4.5, std::nullopt});
  CHECK(found->cover == cover);
  CHECK(found->price == Decimal("0.1000000000000000000001"));
  CHECK(books(Isbn{"1-2"}).outcome().is_hit());
  CHECK(only(process.db.query("select isbn from book").fetch_as<Isbn>()) == Isbn{"1-2"});
  CHECK(only(process.db.query("select authors from book").fetch_as<vector<std::string>>()).size() ==
        2);
}

TEST_CASE("postgres values: NUMERIC is text unless a number is asked for", "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  const Result result =
      process.db.query("select 1.10::numeric, sum(id), 'NaN'::numeric, 0.5::numeric from product")
          .fetch();
  const Row row = result[0];
  CHECK(row[0].type() == ValueType::text);
  CHECK(row[0].as<std::string>() == "1.10");
  CHECK(row[0].as<double>() == 1.1);
  CHECK(row[0].as<Decimal>() == Decimal("1.10"));
  CHECK(row[1].as<int>() == 6);  // the sum of bigints is numeric
  CHECK(row[2].as<double>() != row[2].as<double>());
  CHECK_THROWS_AS(row[3].as<int>(), TypeError);
  // What is no number of PostgreSQL's stays what it is.
  const Result text =
      process.db.query("select '1.10'::text, date '2026-02-28', 'infinity'::date").fetch();
  CHECK_THROWS_AS(text[0][0].as<double>(), TypeError);
  CHECK(text[0][1].as<std::string>() == "2026-02-28");
  CHECK(text[0][2].as<std::string>() == "infinity");
}

TEST_CASE("postgres values: what is no array of that type is refused, with its column named",
          "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  const auto said = [&](const std::string& value) -> std::string {
    const Result result = process.db.query("select " + value + " as odd").fetch();
    try {
      static_cast<void>(result[0][0].as<vector<std::string>>());
    } catch (const TypeError& failure) {
      return failure.what();
    }
    return "nothing was thrown";
  };
  CHECK_THAT(said("array[[1,2],[3,4]]"), Contains("\"odd\"") && Contains("one dimension"));
  CHECK_THAT(said("7"), Contains("found an integer"));
  CHECK_THAT(said("null::int[]"), Contains("found NULL"));
  CHECK_THAT(said("array['a',null]"), Contains("\"odd[]\", row 1: found NULL"));
  for (const char* malformed :
       {"",     "x",     "{",        "{a",       "{a,",      "{a,}",   "{,a}",
        "{a}b", "{\"a}", "{\"a\"b}", "{a\"b\"}", "{a b}",    "{a\\b}", "{\"a\\",
        "{a}}", "[0:1",  "[0:1]",    "[0:1]=",   "[0:1]={a", "{ a}"}) {
    CAPTURE(malformed);
    CHECK_THAT(said("'" + std::string(malformed) + "'::text"), Contains("malformed at byte"));
  }
  CHECK(said("'[0:1]={a,b}'::text[]") == "nothing was thrown");
  CHECK(said("'{a,\"b c\"}'::text") == "nothing was thrown");
  const Result mixed = process.db.query("select array['1','x'], array[70000], 'x-'::text").fetch();
  CHECK_THROWS_AS(mixed[0][0].as<vector<int>>(), TypeError);
  CHECK_THROWS_AS(mixed[0][1].as<vector<short>>(), TypeError);
  CHECK_THROWS_WITH(mixed[0][2].as<Isbn>(), Contains("not an ISBN"));
  CHECK_THROWS_AS(process.db.query("select $1::text[]", vector<std::string>{{"a\0b", 3}}).fetch(),
                  ConfigError);
  const vector<ParameterView> nested{ParameterView::array(ValueType::int64, "{1}")};
  CHECK_THROWS_WITH(process.db.query("select $1", nested), Contains("list of lists"));
  STATIC_REQUIRE_FALSE(BindableParameter<vector<vector<int>>>);
  STATIC_REQUIRE_FALSE(CustomField<vector<vector<int>>>);
  STATIC_REQUIRE_FALSE(CustomField<vector<std::string_view>>);
  STATIC_REQUIRE_FALSE(postgres::PqxxType<Book>);
  STATIC_REQUIRE_FALSE(postgres::PqxxType<std::string>);
}
