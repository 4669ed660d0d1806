export { lockDirectory, type DirectoryLock } from './directory-lock';
