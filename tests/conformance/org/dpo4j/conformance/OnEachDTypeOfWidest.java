package org.dpo4j.conformance;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A test that is run on every device of {@link TestDevices}, with every dtype on the widest instruction set of the
 * processor and on cuda, and with F32 on narrower instruction sets: for tests of sizes and limits whose expected values
 * take long to compute.
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@Tag("device")
@ParameterizedTest(name = "{0}")
@MethodSource("org.dpo4j.conformance.TestDevices#eachDTypeOfWidest")
public @interface OnEachDTypeOfWidest {}
