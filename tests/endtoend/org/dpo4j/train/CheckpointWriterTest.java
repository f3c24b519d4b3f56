package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.train.checkpoint.CheckpointDirectory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints that another thread completes. */
@Timeout(60)
class CheckpointWriterTest {
    @TempDir
    private Path output;

    private final CheckpointWriter writer = new CheckpointWriter();

    private CheckpointDirectory.Unfinished begin(int step) {
        return CheckpointDirectory.begin(
                output, step, directory -> Files.writeString(directory.resolve("weights"), "w" + step));
    }

    @Test
    void theCallerGoesOnWhileACheckpointIsCompleted() {
        CountDownLatch isReleased = new CountDownLatch(1);
        writer.complete(begin(3), () -> {
            try {
                isReleased.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        assertThat(writer.isEnded()).isFalse();
        isReleased.countDown();
        writer.await();
        assertThat(CheckpointDirectory.list(output)).singleElement().satisfies(checkpoint -> {
            assertThat(checkpoint.step()).isEqualTo(3);
            assertThat(checkpoint.fault()).isNull();
        });
        assertThat(output).isDirectoryNotContaining("glob:**/.*");
        writer.await(); // nothing is written
    }

    @Test
    void anInterruptDoesNotEndTheWait() {
        CountDownLatch isReleased = new CountDownLatch(1);
        writer.complete(begin(3), () -> {
            while (isReleased.getCount() > 0) {
                Thread.onSpinWait();
            }
        });
        Thread.currentThread().interrupt();
        new Thread(isReleased::countDown).start();
        writer.await();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(output.resolve("checkpoint-3")).exists();
    }

    @Test
    void aFailureIsThrownOnceAndOtherCheckpointsStay() throws IOException {
        writer.complete(begin(3), () -> {});
        writer.await();
        CheckpointDirectory.Unfinished unfinished = begin(6);
        DirectoryFiles.deleteTree(output.resolve(".checkpoint.writing"));
        writer.complete(unfinished, () -> {});
        assertRefused(writer::await, output.resolve("checkpoint-6") + " cannot be written (it does not exist)");
        writer.await();
        assertThat(CheckpointDirectory.list(output))
                .singleElement()
                .satisfies(checkpoint -> assertThat(checkpoint.fault()).isNull());
    }
}
