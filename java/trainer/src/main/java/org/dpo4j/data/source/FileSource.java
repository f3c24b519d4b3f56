package org.dpo4j.data.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.io.InputFile;
import org.jspecify.annotations.Nullable;

/**
 * The rows of one file, or of a pipe.
 *
 * @param asked the split that must exist; null if a file without splits will do
 * @param split the split to read if the file is a JSON object of splits; null if the file must not be one
 */
record FileSource(
        Path file, @Nullable String asked, @Nullable String split) implements RowSource {

    @Override
    public String name() {
        return InputFile.name(file);
    }

    @Override
    public Rows open() {
        return RowFiles.open(file, asked, split);
    }

    @Override
    public List<SourceFile> files() {
        return Files.isRegularFile(file) ? List.of(SourceFile.at(file)) : List.of();
    }

    @Override
    public boolean hasSplits() {
        return Files.exists(file) && !InputFile.isReadOnce(file) && RowFiles.hasSplits(file, split);
    }

    @Override
    public @Nullable String identity() {
        return Files.isRegularFile(file) ? SourceFile.at(file).identity() + " " + split : null;
    }
}
