package org.dpo4j.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.AdapterMerge;
import org.jspecify.annotations.Nullable;

/**
 * A model that is made of an adapter and its base model, in a temporary directory. {@link #close} deletes the directory, and
 * so does the end of the process.
 */
final class MergedModel implements AutoCloseable {
    private static final String CARD = "README.md";

    private final Path temporary;
    private final Path directory;
    private final Thread atExit = new Thread(this::delete);

    private MergedModel(Path temporary, Path directory) {
        this.temporary = temporary;
        this.directory = directory;
    }

    /**
     * Merges an adapter on the cpu.
     *
     * @param beside a file; the temporary directory is made in the same directory
     */
    static MergedModel make(Path adapter, Path beside, RunListener listener) {
        @Nullable MergedModel merged = null;
        try (Device device = Devices.open("cpu", listener::notice)) {
            Path temporary = Files.createTempDirectory(beside.toAbsolutePath().getParent(), ".merged");
            merged = new MergedModel(
                    temporary, temporary.resolve(adapter.toRealPath().getFileName()));
            Runtime.getRuntime().addShutdownHook(merged.atExit);
            AdapterMerge.run(adapter, merged.directory, device, listener);
            if (Files.exists(adapter.resolve(CARD))) {
                Files.copy(adapter.resolve(CARD), merged.directory.resolve(CARD));
            }
            return merged;
        } catch (IOException e) {
            close(merged);
            throw new Dpo4jException(
                    "no directory for the merged model can be written beside " + beside + " (" + FileErrors.reason(e)
                            + "); free space, or give another file",
                    e);
        } catch (Dpo4jException e) {
            close(merged);
            throw merged == null ? e : named(e, merged.directory, adapter, beside);
        } catch (RuntimeException e) {
            close(merged);
            throw e;
        }
    }

    /** An error that names the merged model instead of its temporary directory. */
    private static Dpo4jException named(Dpo4jException e, Path directory, Path adapter, Path beside) {
        String message = String.valueOf(e.getMessage());
        String what = "the merged model of " + adapter + ", which export writes beside " + beside + " for a while,";
        return message.contains(directory.toString())
                ? new Dpo4jException(message.replace(directory.toString(), what), e)
                : e;
    }

    private static void close(@Nullable MergedModel merged) {
        if (merged != null) {
            merged.close();
        }
    }

    /** The directory of the model, with the name of the adapter's. */
    Path directory() {
        return directory;
    }

    private void delete() {
        try {
            DirectoryFiles.deleteTree(temporary);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        delete();
        Runtime.getRuntime().removeShutdownHook(atExit);
    }
}
