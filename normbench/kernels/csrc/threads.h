// Threads that share work.
//
// Work comes in stages, and a stage is cut into tasks. What the tasks are does not depend on the number of threads; who
// does a task does not matter. So a thread that loses its core to another process holds up the others by one task at
// most, and while they wait they leave their cores to it.
#pragma once
#include <cstdint>

constexpr int kMaxTasks = 32;  // of a stage; more threads than that are of no use

class Work {
  public:
    // The number of tasks of the next stage, 0 after the last. One thread calls it, first and whenever all tasks of a
    // stage are done.
    virtual int64_t next_stage() = 0;
    // Different threads call it for different tasks, in any order.
    virtual void run(int64_t task, int thread) = 0;

  protected:
    ~Work() = default;
};

// Returns when all is done. `thread` is from 0, the caller, to num_threads - 1. Fewer threads work where there are fewer
// tasks, and the caller alone while another call has the threads.
void run_in_stages(Work &work, int64_t num_threads);

// One of the equal parts of a loop.
struct Part {
    int64_t index, count;

    int64_t begin(int64_t size) const { return index * size / count; }
    int64_t end(int64_t size) const { return (index + 1) * size / count; }
};

// Calls body(i, thread) for each i below `size`, which must not depend on each other.
template <class Body>
void parallel_for(int64_t size, int64_t num_threads, const Body &body) {
    struct Loop : Work {
        const Body &body;
        const int64_t size;
        int64_t num_tasks;  // 0 once the only stage has begun

        Loop(const Body &body, int64_t size) : body(body), size(size), num_tasks(size < kMaxTasks ? size : kMaxTasks) {}
        int64_t next_stage() override {
            const int64_t count = num_tasks;
            num_tasks = 0;
            return count;
        }
        void run(int64_t task, int thread) override {
            for (int64_t i = task; i < size; i += kMaxTasks) body(i, thread);
        }
    };
    Loop loop(body, size);
    run_in_stages(loop, num_threads);
}
