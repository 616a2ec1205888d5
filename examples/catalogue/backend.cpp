#include "backend.hpp"

#include "backends.hpp"
#ifdef CATALOGUE_WITH_POSTGRES
#include "querymark/postgres/url.hpp"
#endif

namespace catalogue {

std::unique_ptr<Backend> backend_of(const std::string& url) {
#ifdef CATALOGUE_WITH_POSTGRES
  if (qm::postgres::is_url(url)) return postgres_backend(url);
#endif
  return sqlite_backend(url);
}

}  // namespace catalogue
