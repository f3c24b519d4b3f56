package org.dpo4j.data;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/**
 * Runs tasks on all cores. Each task returns an action, and the actions run on the calling thread, in the order in which
 * the tasks were added. So results do not depend on the number of cores. Tasks are handed over in groups, and the size of
 * what waits is limited: if the limit is reached, {@link #add} first runs the actions of the oldest group.
 */
final class OrderedTasks implements AutoCloseable {
    private static final int GROUP_TASKS = 64;
    private static final long GROUP_SIZE = 1 << 18;
    private static final long MAX_WAITING_SIZE = 1 << 24;
    private static final int MAX_WAITING_GROUPS_PER_THREAD = 4;

    private record Group(Future<List<Runnable>> actions, long size) {}

    private final int threads;
    private final ExecutorService executor;
    private final Deque<Group> waiting = new ArrayDeque<>();
    private List<Supplier<Runnable>> tasks = new ArrayList<>();
    private long tasksSize;
    private long waitingSize;

    OrderedTasks(int threads) {
        this.threads = threads;
        AtomicInteger number = new AtomicInteger();
        this.executor = Executors.newFixedThreadPool(threads, task -> {
            Thread thread = new Thread(task, "dpo4j-rows-" + number.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        });
    }

    /**
     * Adds a task. An exception of a task is thrown when its action would run.
     *
     * @param size memory of the task, in any unit, to limit what waits
     */
    void add(Supplier<Runnable> task, long size) {
        tasks.add(task);
        tasksSize += size;
        if (tasks.size() == GROUP_TASKS || tasksSize >= GROUP_SIZE) {
            submit();
            while (waitingSize > MAX_WAITING_SIZE || waiting.size() > MAX_WAITING_GROUPS_PER_THREAD * threads) {
                runOldest();
            }
        }
    }

    /** Runs the actions of all tasks. */
    void finish() {
        submit();
        while (!waiting.isEmpty()) {
            runOldest();
        }
    }

    private void submit() {
        if (tasks.isEmpty()) {
            return;
        }
        List<Supplier<Runnable>> group = tasks;
        waiting.add(new Group(executor.submit(() -> run(group)), tasksSize));
        waitingSize += tasksSize;
        tasks = new ArrayList<>();
        tasksSize = 0;
    }

    private static List<Runnable> run(List<Supplier<Runnable>> tasks) {
        List<Runnable> actions = new ArrayList<>();
        for (Supplier<Runnable> task : tasks) {
            try {
                actions.add(task.get());
            } catch (RuntimeException e) {
                actions.add(() -> {
                    throw e;
                });
                break; // its action is the last that runs
            }
        }
        return actions;
    }

    private void runOldest() {
        Group group = waiting.remove();
        waitingSize -= group.size;
        try {
            group.actions.get().forEach(Runnable::run);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw (CancellationException) new CancellationException("reading was interrupted").initCause(e);
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    /** Waits until the running tasks have ended, because what they use may be closed after this. */
    @Override
    public void close() {
        executor.shutdownNow();
        boolean isInterrupted = false;
        for (boolean hasEnded = false; !hasEnded; ) {
            try {
                hasEnded = executor.awaitTermination(1, TimeUnit.HOURS);
            } catch (InterruptedException e) {
                isInterrupted = true;
            }
        }
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
