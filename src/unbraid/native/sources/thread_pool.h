// A thread pool for one call. Its workers live as long as the call.

#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "arena.h"
#include "arithmetic.h"

#define MAX_THREADS 32

// Compute item `index` of a parallel loop. `scratch` belongs to the thread.
typedef void Task(const void* context, int index, Arena* scratch);

typedef struct {
    Arena arena;  // for data that outlives a task
    Arena scratch[MAX_THREADS];
    int threads;  // including the calling thread
    // Number of active threads, over all calls that share this counter. A worker runs only while there are fewer than
    // `threads`.
    atomic_int* active;
    double* seconds;  // time of each stage; NULL: not measured
    int stage;
    double stage_started;
    // Internal state. `lock` guards all fields that are not atomic.
    pthread_t workers[MAX_THREADS];
    int workers_started, workers_ready;
    pthread_mutex_t lock;
    pthread_cond_t wakeup;    // there is a new loop, or the pool stops
    pthread_cond_t finished;  // no worker is active
    atomic_uint generation;   // number of parallel loops so far
    atomic_int next_index, workers_active;
    bool accepting, stopping;
    Task* task;
    const void* context;
    int count;
} ThreadPool;

// The number of threads that a pool starts of those that a caller asks for.
static inline int clamp_threads(int threads) { return threads < 1 ? 1 : min_int(threads, MAX_THREADS); }

// Start up to `threads` - 1 workers; threads <= MAX_THREADS. All fields except arenas, `active` and `seconds` must
// be zero.
void pool_start(ThreadPool* pool, int threads);

void pool_stop(ThreadPool* pool);

// Run the task for all indices below `count`, in any order, and return when all are done. Without a pool (NULL) the
// calling thread runs them, without scratch memory. In a plan no task runs.
void parallel_for(ThreadPool* pool, Task* task, const void* context, int count);

// End the current stage, add its time to `seconds`, and start the next stage.
void enter_stage(ThreadPool* pool, int stage);
