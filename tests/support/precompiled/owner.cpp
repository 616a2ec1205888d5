// Compiled with the flags of a test program: the precompiled header takes them from here.
int main() { return 0; }
