package org.dpo4j.train;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.train.checkpoint.CheckpointDirectory;
import org.jspecify.annotations.Nullable;

/**
 * Completes checkpoints on another thread while training goes on, one at a time. The training thread has written the files
 * to the memory of the operating system, which is faster than a disk; this thread hashes them and forces them to the disk.
 * So the snapshot of the weights is in the page cache: the process needs no memory for it, and the system slows the training
 * thread down if the disk does not keep up.
 */
final class CheckpointWriter {
    private @Nullable FutureTask<@Nullable Void> running;

    /** Completes a checkpoint on another thread, then does {@code after} there. None may be running. */
    void complete(CheckpointDirectory.Unfinished checkpoint, Runnable after) {
        if (running != null) {
            throw new IllegalStateException("a checkpoint is being written");
        }
        FutureTask<@Nullable Void> task = new FutureTask<>(
                () -> {
                    checkpoint.complete();
                    after.run();
                },
                null);
        Thread thread = new Thread(task, "dpo4j-checkpoint");
        thread.setDaemon(
                true); // if the process exits meanwhile, the checkpoint is incomplete and its files are deleted
        thread.start();
        running = task;
    }

    /** Whether a write has ended, so that {@link #await} does not wait. */
    boolean isEnded() {
        return running != null && running.isDone();
    }

    /** Waits until no write is running. Throws the error of the last one, once. An interrupt does not end the wait. */
    void await() {
        FutureTask<@Nullable Void> task = running;
        boolean isInterrupted = false;
        try {
            while (task != null) {
                try {
                    task.get();
                    task = null;
                } catch (InterruptedException e) {
                    isInterrupted = true;
                }
            }
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Dpo4jException known ? known : new IllegalStateException(e.getCause());
        } finally {
            running = null;
            if (isInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
