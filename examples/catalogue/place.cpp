#include "place.hpp"

#ifdef CATALOGUE_WITH_POSTGRES
#include "postgres_place.hpp"
#endif
#include <stdexcept>

namespace catalogue {
namespace {

// The folder removes it.
class SqlitePlace final : public Place {
 public:
  explicit SqlitePlace(std::string url) : url_(std::move(url)) {}
  [[nodiscard]] const std::string& url() const override { return url_; }
  [[nodiscard]] std::string label() const override { return url_; }

 private:
  std::string url_;
};

}  // namespace

std::unique_ptr<Place> make_place(const PlaceOptions& options, const ScratchFolder& folder) {
  if (options.server.empty() && !options.private_server)
    return std::make_unique<SqlitePlace>("sqlite:" + folder.file("catalogue.db"));
#ifdef CATALOGUE_WITH_POSTGRES
  return make_postgres_place(options);
#else
  throw std::runtime_error("this demo was built without PostgreSQL: -DQUERYMARK_POSTGRES=ON");
#endif
}

}  // namespace catalogue
