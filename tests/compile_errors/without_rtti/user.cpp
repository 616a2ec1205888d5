// A program of a user whose other libraries want -fno-rtti: the public headers compile.

#include <querymark/querymark.hpp>

namespace {

struct Product {
  std::int64_t id;
  std::string name;
};

}  // namespace

std::size_t products(querymark::Queries& db) {
  const auto prepared =
      db.prepare<Product>("select id, name from product where id = ?").tag([](int id) {
        return querymark::entity("product", id);
      });
  return prepared(7).size() + db.query("select id, name from product").fetch_as<Product>().size();
}
