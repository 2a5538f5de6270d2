import { startPage } from '../main.tsx';

void startPage();
