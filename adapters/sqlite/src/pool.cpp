#include "pool.hpp"

#include "querymark/support/error.hpp"

namespace querymark::sqlite {

Pool::Pool(std::string path, Connection::Settings settings, std::size_t limit)
    : path_(std::move(path)), settings_(settings), limit_(limit) {
  if (limit == 0) throw ConfigError("readers must be at least 1");
  idle_.reserve(limit);  // so that give_back can't fail
}

Pool::Lease Pool::acquire() {
  std::unique_lock lock(mutex_);
  if (!returned_.wait_for(lock, settings_.busy_timeout, [this] { return lent_ < limit_; }))
    throw Timeout("all " + std::to_string(limit_) + " read connections to " + path_ +
                  " stayed busy: raise readers, or look for slow queries");
  ++lent_;
  const std::uint64_t generation = generation_;
  if (!idle_.empty()) {
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    return {*this, std::move(connection), generation};
  }
  lock.unlock();
  try {
    return {*this, std::make_unique<Connection>(path_, Connection::Use::read, settings_),
            generation};
  } catch (...) {  // the place is given back, the error goes on
    give_back(nullptr, generation);
    throw;
  }
}

Pool::Lease::~Lease() {
  if (connection_) pool_->give_back(std::move(connection_), generation_);
}

void Pool::give_back(std::unique_ptr<Connection> connection, std::uint64_t generation) noexcept {
  std::unique_ptr<Connection> stale;  // closed after the lock is released
  const std::lock_guard lock(mutex_);
  --lent_;
  if (connection && generation == generation_)
    idle_.push_back(std::move(connection));
  else
    stale = std::move(connection);
  returned_.notify_one();
}

void Pool::drain() noexcept {
  std::vector<std::unique_ptr<Connection>> closing;
  closing.reserve(limit_);
  const std::lock_guard lock(mutex_);
  ++generation_;
  for (auto& connection : idle_) closing.push_back(std::move(connection));
  idle_.clear();
}

}  // namespace querymark::sqlite
